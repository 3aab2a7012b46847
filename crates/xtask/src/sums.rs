//! Does the money add up? After the demo's payment every balance must be what arithmetic says.

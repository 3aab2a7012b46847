//! The encrypted orders along a route.

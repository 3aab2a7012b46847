//! Configuration, storage and messages of the contract.

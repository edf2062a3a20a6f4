//! The model checker against definitions: naive evaluation of all short runs, and another model checker.

mod against_naive;
mod answers;
mod errors;
mod kripke;
mod naive;
mod playbooks;
mod proofs;
mod random;
mod spin;

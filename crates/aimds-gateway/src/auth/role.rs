//! Roles: names for sets of scopes, so that who may do what is decided in one place.

use std::collections::BTreeMap;

use super::{Scope, Scopes};

/// The roles of the configuration, by name. A name that is not there allows nothing.
#[derive(Clone, Debug, Default)]
pub struct Roles(BTreeMap<String, Scopes>);

impl Roles {
    /// Adds a role. False if there is one of this name.
    pub fn add(&mut self, name: impl Into<String>, scopes: &[Scope]) -> bool {
        let scopes = scopes.iter().copied().collect();
        match self.0.entry(name.into()) {
            std::collections::btree_map::Entry::Occupied(_) => false,
            std::collections::btree_map::Entry::Vacant(place) => {
                place.insert(scopes);
                true
            }
        }
    }

    /// What a role allows.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Scopes> {
        self.0.get(name).copied()
    }

    /// All, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Scopes)> {
        self.0.iter().map(|(name, &scopes)| (name.as_str(), scopes))
    }
}

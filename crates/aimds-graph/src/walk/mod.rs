//! The questions, asked of any store: bounded breadth-first walks and union-find.

mod blast;
mod breadth;
mod campaigns;
mod chain;
mod related;
mod root;
mod ties;

pub(crate) use blast::blast;
pub(crate) use campaigns::campaigns;
pub(crate) use chain::chain;
pub(crate) use related::related;
pub(crate) use root::root;
pub(crate) use ties::ties;

use crate::error::Error;
use crate::graph::{Place, Store};
use crate::model::NodeId;

/// The node that is asked about.
pub(crate) fn start<S: Store + ?Sized>(store: &S, tenant: &str, id: &NodeId) -> Result<Place<S::Key>, Error> {
    store.find(tenant, id)?.ok_or_else(|| Error::NotFound { id: id.clone() })
}

//! The causal memory.

use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::Deserialize;

use super::error::{ConfigError, value};

/// The causal memory.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct GraphFile {
    /// File of the graph (SQLite); empty where there is none.
    pub path: String,
    /// A graph in Neo4j instead; empty where there is none.
    pub neo4j_url: String,
    /// Neo4j: the user.
    pub neo4j_user: String,
    /// Neo4j: the environment variable with the password.
    pub neo4j_password_env: String,
    /// Neo4j: which database; empty for the server's default.
    pub neo4j_database: String,
    /// Neo4j: file with a certificate authority of one's own, as PEM.
    pub neo4j_ca: String,
    /// Neo4j: file that keeps what the database has not taken yet.
    pub neo4j_spool: String,
}

impl Default for GraphFile {
    fn default() -> Self {
        Self {
            path: String::new(),
            neo4j_url: String::new(),
            neo4j_user: "neo4j".into(),
            neo4j_password_env: "AIMDS_NEO4J_PASSWORD".into(),
            neo4j_database: String::new(),
            neo4j_ca: String::new(),
            neo4j_spool: "graph-gateway-spool.db".into(),
        }
    }
}

/// The causal memory.
#[derive(Clone, Debug)]
pub struct GraphConfig {
    /// Where it is.
    pub store: GraphStore,
}

/// Where the causal memory is.
#[derive(Clone, Debug)]
pub enum GraphStore {
    /// In an SQLite file.
    File(PathBuf),
    /// In Neo4j.
    #[cfg(feature = "neo4j")]
    Neo4j(Box<aimds_graph::Neo4jOptions>),
}

impl GraphConfig {
    /// Relative paths start from this directory.
    pub fn start_from(&mut self, directory: &Path) {
        match &mut self.store {
            GraphStore::File(path) => *path = directory.join(&path),
            #[cfg(feature = "neo4j")]
            GraphStore::Neo4j(options) => {
                options.spool = directory.join(&options.spool);
                options.ca = options.ca.as_ref().map(|ca| directory.join(ca));
            }
        }
    }
}

pub(super) fn resolve(file: GraphFile) -> Result<Option<GraphConfig>, ConfigError> {
    let store = match (file.path.is_empty(), file.neo4j_url.is_empty()) {
        (true, true) => return Ok(None),
        (false, true) => GraphStore::File(file.path.into()),
        (true, false) => neo4j(file)?,
        (false, false) => return Err(value("graph.neo4j_url", "there is a graph.path already")),
    };
    Ok(Some(GraphConfig { store }))
}

#[cfg(feature = "neo4j")]
fn neo4j(file: GraphFile) -> Result<GraphStore, ConfigError> {
    if file.neo4j_spool.is_empty() {
        return Err(value("graph.neo4j_spool", "is missing; there is a graph.neo4j_url"));
    }
    let password = match file.neo4j_password_env.as_str() {
        "" => String::new(),
        name => std::env::var(name)
            .map_err(|_| value("graph.neo4j_password_env", "names a variable that is not set"))?,
    };
    let password = aimds_graph::Password(password);
    let mut options =
        aimds_graph::Neo4jOptions::new(&file.neo4j_url, &file.neo4j_user, password, file.neo4j_spool.into());
    options.database = (!file.neo4j_database.is_empty()).then_some(file.neo4j_database);
    options.ca = (!file.neo4j_ca.is_empty()).then(|| file.neo4j_ca.into());
    Ok(GraphStore::Neo4j(Box::new(options)))
}

#[cfg(not(feature = "neo4j"))]
fn neo4j(_: GraphFile) -> Result<GraphStore, ConfigError> {
    Err(value("graph.neo4j_url", "this program was built without Neo4j"))
}

//! Which graph.

use std::path::PathBuf;
use std::time::Duration;

use aimds_graph::{Graph, Neo4jGraph, Neo4jOptions, Password, SqliteGraph};
use anyhow::Context as _;
use clap::Args;

use crate::cli::usage;
use crate::data_directory;

/// The name in the data directory of what waits for a graph database.
const SPOOL: &str = "graph-spool.db";
/// How long writes to a graph database are waited for.
const PATIENCE: Duration = Duration::from_secs(60);

/// Where the graph is, and whose.
#[derive(Debug, Args)]
pub struct Place {
    /// The graph's file; graph.db in the data directory unless told otherwise
    #[arg(long, value_name = "FILE")]
    pub graph: Option<PathBuf>,
    /// Data directory; $XDG_DATA_HOME/aimds or ~/.local/share/aimds unless told otherwise
    #[arg(long, value_name = "DIR", env = "AIMDS_DATA_DIR")]
    pub data_dir: Option<PathBuf>,
    /// Whose graph; that of the default tenant unless told otherwise
    #[arg(long, value_name = "NAME", default_value = "")]
    pub tenant: String,
    /// A graph in Neo4j, unless --graph is given: bolt://host:7687, with TLS bolt+s://host:7687. Its password is taken from AIMDS_NEO4J_PASSWORD
    #[arg(long, value_name = "URL", env = "AIMDS_NEO4J_URL")]
    pub neo4j: Option<String>,
    /// Neo4j: the user
    #[arg(long, value_name = "NAME", env = "AIMDS_NEO4J_USER", default_value = "neo4j")]
    pub neo4j_user: String,
    /// Neo4j: which database; the server's default unless told otherwise
    #[arg(long, value_name = "NAME", env = "AIMDS_NEO4J_DATABASE")]
    pub neo4j_database: Option<String>,
    /// Neo4j: a certificate authority of one's own, as PEM
    #[arg(long, value_name = "FILE", env = "AIMDS_NEO4J_CA")]
    pub neo4j_ca: Option<PathBuf>,
}

impl Place {
    /// Opens a graph that is there.
    pub(crate) fn open(&self) -> anyhow::Result<Box<dyn Graph>> {
        if self.database().is_none() {
            let path = self.file()?;
            anyhow::ensure!(
                path.is_file(),
                "no graph at {}: make one with aimds graph import",
                path.display()
            );
        }
        self.open_or_make()
    }

    /// Opens a graph, and makes one where there is none.
    pub(crate) fn open_or_make(&self) -> anyhow::Result<Box<dyn Graph>> {
        if let Some(url) = self.database() {
            return self.open_neo4j(url);
        }
        let path = self.file()?;
        let graph =
            SqliteGraph::open(&path).with_context(|| format!("cannot open the graph {}", path.display()))?;
        Ok(Box::new(graph))
    }

    /// A file that is named goes before a database that the environment names.
    fn database(&self) -> Option<&str> {
        self.neo4j.as_deref().filter(|_| self.graph.is_none())
    }

    fn open_neo4j(&self, url: &str) -> anyhow::Result<Box<dyn Graph>> {
        let password = Password(std::env::var("AIMDS_NEO4J_PASSWORD").unwrap_or_default());
        let directory = data_directory::find(self.data_dir.as_deref())?;
        std::fs::create_dir_all(&directory)
            .with_context(|| format!("cannot make {}", directory.display()))?;
        let mut options = Neo4jOptions::new(url, &self.neo4j_user, password, directory.join(SPOOL));
        options.timeout = PATIENCE;
        options.database = self.neo4j_database.clone();
        options.ca = self.neo4j_ca.clone();
        let graph = Neo4jGraph::open(options).map_err(|error| match error {
            aimds_graph::Error::Settings(_) => usage(error),
            error => error.into(),
        })?;
        Ok(Box::new(graph))
    }

    fn file(&self) -> anyhow::Result<PathBuf> {
        match &self.graph {
            Some(file) => Ok(file.clone()),
            None => Ok(data_directory::find(self.data_dir.as_deref())?.join(data_directory::GRAPH)),
        }
    }
}

/// Waits until everything written has arrived.
pub(crate) fn settle(graph: &mut dyn Graph) -> anyhow::Result<()> {
    Ok(graph.flush(PATIENCE)?)
}

//! The conversation around the texts of a stream, for what must hold over all of it.

use aimds_engine::{Asked, Assessment, Conversation, Said};

use super::Extent;
use crate::app::MAX_TEXTS;
use crate::error::Failure;

/// What was asked, and what of the answer is complete.
pub(crate) struct Around {
    request: Said,
    /// With the answer so far, where somebody wants to know.
    grown: Option<Said>,
    follows: bool,
}

impl Around {
    /// `follows` says whether the policy looks at more than single texts.
    pub(crate) fn new(request: Said, follows: bool) -> Self {
        Self { request, grown: None, follows }
    }

    /// What a text comes after. What is said again comes after the request, like an answer in one piece.
    pub(crate) fn asked(&self, extent: Extent) -> Asked<'_> {
        match &self.grown {
            Some(grown) if extent != Extent::Again => grown.asked(),
            _ => self.request.asked(),
        }
    }

    /// Keeps texts that are complete. An answer of more texts than may be is garbage.
    pub(crate) fn keep(
        &mut self,
        extent: Extent,
        texts: &Conversation,
        assessed: &Assessment,
    ) -> Result<(), Failure> {
        if !self.follows || matches!(extent, Extent::Window | Extent::Again) {
            return Ok(());
        }
        let grown = self.grown.get_or_insert_with(|| self.request.clone());
        let answer =
            grown.conversation.messages.len().saturating_sub(self.request.conversation.messages.len());
        if answer + texts.messages.len() > MAX_TEXTS {
            return Err(Failure::UpstreamGarbage);
        }
        grown.append(texts, assessed);
        Ok(())
    }
}

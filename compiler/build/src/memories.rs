//! The memories that models may use.

use std::env;

use microhlo_compiler::cmd::CmdError;
use microhlo_compiler::regions::{Given, Memories};

/// What `microhlo-board` tells of the board's memories for arenas: `NAME=BYTES:COST`, separated by commas.
const BOARD: &str = "DEP_MICROHLO_BOARD_ARENAS";

/// The memories that a build script asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Asked {
    board: bool,
    given: Vec<Given>,
    artifact_cost: Option<u32>,
}

impl Asked {
    pub(crate) fn of_board(&mut self) {
        self.board = true;
    }

    pub(crate) fn add(&mut self, name: &str, bytes: u32, cost: u32) {
        self.given.push(Given { name: name.to_owned(), bytes, cost: Some(cost) });
    }

    pub(crate) fn constants_cost(&mut self, cost: u32) {
        self.artifact_cost = Some(cost);
    }

    /// The memories; none, for one arena, if nothing was asked for.
    pub(crate) fn memories(&self) -> Result<Memories, CmdError> {
        let board = if self.board { Some(env::var(BOARD).unwrap_or_default()) } else { None };
        self.among(board.as_deref())
    }

    /// The memories, on a board that has these.
    fn among(&self, board: Option<&str>) -> Result<Memories, CmdError> {
        let mut memories = Memories::default();
        if let Some(board) = board {
            let arenas: Result<Vec<Given>, String> =
                board.split(',').filter(|text| !text.is_empty()).map(str::parse).collect();
            memories =
                memories.with(&arenas.map_err(CmdError::BadInput)?).map_err(CmdError::BadInput)?;
            if memories.arenas.is_empty() {
                let text = "regions: the package depends on no `microhlo-board` whose board has memories of kind \
                            `arena`; give them by `region`";
                return Err(CmdError::BadInput(text.to_owned()));
            }
        }
        if self.artifact_cost.is_some() && !self.board && self.given.is_empty() {
            let text =
                "artifact_cost: it is relative to memories; give them by `region` or `regions`";
            return Err(CmdError::BadInput(text.to_owned()));
        }
        memories.artifact_cost = self.artifact_cost.unwrap_or(memories.artifact_cost);
        memories.with(&self.given).map_err(CmdError::BadInput)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memories_are_the_boards_or_given() {
        let mut asked = Asked::default();
        assert_eq!(asked.among(None).expect("none"), Memories::default());
        asked.constants_cost(4);
        let error = asked.among(None).expect_err("relative to nothing").to_string();
        assert!(error.contains("artifact_cost"), "{error}");
        asked.add("DTCM", 4096, 1);
        let given = asked.among(None).expect("one");
        assert_eq!(
            (given.arenas[0].bytes, given.arenas[0].cost, given.artifact_cost),
            (4096, 1, 4)
        );
        let board = "SRAM=65536:2,DTCM=8192:1";
        let limited = asked.among(Some(board)).expect("two");
        let sizes: Vec<(&str, u32)> =
            limited.arenas.iter().map(|m| (m.name.as_str(), m.bytes)).collect();
        assert_eq!(sizes, [("SRAM", 65536), ("DTCM", 4096)]);
        let error = asked.among(Some("")).expect_err("no board").to_string();
        assert!(error.contains("give them by `region`"), "{error}");
        asked.add("CCM", 1, 1);
        let error = asked.among(Some(board)).expect_err("none such").to_string();
        assert!(error.contains("SRAM, DTCM"), "{error}");
    }
}

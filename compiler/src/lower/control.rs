//! Lowering of control flow: regions become steps between branches.
//!
//! The state of a loop and the results of a choice lie in buffers of their own, which every way
//! through the program writes. Most of the copies to them turn out to be unnecessary when buffers
//! are shared.

use microhlo_format::kernels::{Branch, MAX_TARGETS, Switch};
use microhlo_format::{Kernel, Target};

use super::program::{BufferId, Ref, Step};
use super::view::View;
use super::{Lowered, Lowerer};
use crate::ir::{BlockId, OpId, ValueId};

/// A copy to the dense memory of a loop's state or a choice's result.
struct Copy {
    from: View,
    to: Ref,
}

impl Lowerer<'_> {
    /// The state is copied in; the program jumps to the condition, which is last so that an
    /// iteration takes one branch:
    ///
    /// ```text
    ///         state = operands
    ///         jump cond
    ///   body: ...; state = returned
    ///   cond: ...; branch to body if true
    /// ```
    pub(super) fn while_loop(&mut self, op: OpId) -> Lowered<()> {
        let span = self.span(op);
        let o = &self.body.ops[op];
        let [cond, body] = *o.regions.as_slice() else { return Err(self.not_lowered(op)) };
        let mut inits = Vec::new();
        for &value in &o.operands {
            inits.push(self.view(value, span)?);
        }
        let state = self.results(op)?;
        for (from, to) in inits.into_iter().zip(&state) {
            self.copy(&from, to.base, "while init", span)?;
        }
        let enter = self.branch(None, false, "while");
        let first = self.position();
        self.nested(|lowerer| {
            lowerer.arguments(body, &state);
            lowerer.block(body)?;
            let copies = lowerer.returned(body, &state, op)?;
            lowerer.parallel_copies(copies, op)
        })?;
        self.land(enter);
        self.nested(|lowerer| {
            lowerer.arguments(cond, &state);
            lowerer.block(cond)?;
            let predicate = lowerer.returned_scalar(cond, op)?;
            let repeat = lowerer.branch(Some(predicate), true, "while");
            lowerer.aim(repeat, first);
            Ok(())
        })
    }

    /// ```text
    ///         branch to else if false
    ///         ...; results = returned; jump end
    ///   else: ...; results = returned
    ///   end:
    /// ```
    pub(super) fn if_else(&mut self, op: OpId) -> Lowered<()> {
        let span = self.span(op);
        let o = &self.body.ops[op];
        let (&[yes, no], &[predicate]) = (o.regions.as_slice(), o.operands.as_slice()) else {
            return Err(self.not_lowered(op));
        };
        let predicate = self.view(predicate, span)?.base;
        let results = self.results(op)?;
        let choose = self.branch(Some(predicate), false, "if");
        self.choice(yes, &results, op)?;
        let end = self.branch(None, false, "else");
        self.land(choose);
        self.choice(no, &results, op)?;
        if self.position() as usize == end + 1 {
            // There is nothing to do otherwise, and nothing to jump over.
            self.program.steps.pop();
            self.land(choose);
        } else {
            self.land(end);
        }
        Ok(())
    }

    /// The last branch follows the switch, as it is the one for indices out of range.
    pub(super) fn case(&mut self, op: OpId) -> Lowered<()> {
        let span = self.span(op);
        let o = &self.body.ops[op];
        let (regions, &[index]) = (o.regions.clone(), o.operands.as_slice()) else {
            return Err(self.not_lowered(op));
        };
        let Some((&last, others)) = regions.split_last() else { return Err(self.not_lowered(op)) };
        let index = self.view(index, span)?.base;
        let results = self.results(op)?;
        let mut switches = Vec::new();
        for (i, part) in others.chunks(MAX_TARGETS).enumerate() {
            let targets = part.iter().map(|_| Target::step(0)).collect();
            let first = (i * MAX_TARGETS) as u32;
            switches.push(self.program.steps.len());
            let switch = Kernel::switch(Switch { index, first, targets });
            self.program.steps.push(Step::new(switch, "case"));
        }
        self.choice(last, &results, op)?;
        let mut ends = Vec::new();
        for (i, &block) in others.iter().enumerate() {
            ends.push(self.branch(None, false, "case"));
            let position = Target::step(self.position());
            let targets = self.program.steps[switches[i / MAX_TARGETS]].kernel.targets_mut();
            targets[i % MAX_TARGETS] = position;
            self.choice(block, &results, op)?;
        }
        for end in ends {
            self.land(end);
        }
        Ok(())
    }

    /// One of several blocks whose returned values become the results.
    fn choice(&mut self, block: BlockId, results: &[View], op: OpId) -> Lowered<()> {
        self.nested(|lowerer| {
            lowerer.block(block)?;
            for copy in lowerer.returned(block, results, op)? {
                lowerer.copy(&copy.from, copy.to, "result", lowerer.span(op))?;
            }
            Ok(())
        })
    }

    /// Buffers for the results of an operation.
    fn results(&mut self, op: OpId) -> Lowered<Vec<View>> {
        let mut views = Vec::new();
        for result in self.body.ops[op].results.clone() {
            let (place, dtype, dims) = self.result(result, op)?;
            views.push(View::dense(place, dtype, &dims));
        }
        Ok(views)
    }

    /// Lowers what is in a nested block. What it makes of values is forgotten after it.
    fn nested(&mut self, lower: impl FnOnce(&mut Self) -> Lowered<()>) -> Lowered<()> {
        let (views, dense) = (self.views.enter(), self.dense.enter());
        let result = lower(self);
        self.views.leave(views);
        self.dense.leave(dense);
        result
    }

    fn arguments(&mut self, block: BlockId, state: &[View]) {
        let args: Vec<ValueId> = self.body.blocks[block].args.clone();
        for (arg, view) in args.into_iter().zip(state) {
            self.views.insert(arg, view.clone());
        }
    }

    /// The copies of what a block returns to where it has to be.
    fn returned(&mut self, block: BlockId, to: &[View], op: OpId) -> Lowered<Vec<Copy>> {
        let values = self.body.returned(block).to_vec();
        let mut copies = Vec::new();
        for (value, to) in values.into_iter().zip(to) {
            let from = self.view(value, self.span(op))?;
            if from != *to && from.elements() > 0 {
                copies.push(Copy { from, to: to.base });
            }
        }
        Ok(copies)
    }

    /// The `i1` that a condition returns.
    fn returned_scalar(&mut self, block: BlockId, op: OpId) -> Lowered<Ref> {
        match self.body.returned(block) {
            &[value] => Ok(self.view(value, self.span(op))?.base),
            _ => Err(self.not_lowered(op)),
        }
    }

    /// Carries out copies to the state as if all at once: each before what it reads is overwritten.
    fn parallel_copies(&mut self, mut copies: Vec<Copy>, op: OpId) -> Lowered<()> {
        let span = self.span(op);
        while !copies.is_empty() {
            let is_read = |buffer: BufferId| copies.iter().any(|c| c.from.base.buffer == buffer);
            if let Some(free) = copies.iter().position(|c| !is_read(c.to.buffer)) {
                let copy = copies.remove(free);
                self.copy(&copy.from, copy.to, "while next", span)?;
            } else {
                // A cycle, or a view of a state that becomes that state.
                let view = copies[0].from.clone();
                let saved = self.copied(&view, "saved", span)?;
                copies[0].from = View::dense(saved, view.dtype, &view.sizes);
            }
        }
        Ok(())
    }

    /// Number of the next step.
    fn position(&self) -> u32 {
        self.program.steps.len() as u32
    }

    /// Adds a branch whose target is not known yet, and returns its position.
    fn branch(&mut self, predicate: Option<Ref>, when: bool, name: &str) -> usize {
        let at = self.program.steps.len();
        let branch = Kernel::branch(Branch { predicate, when, target: Target::step(0) });
        self.program.steps.push(Step::new(branch, name));
        at
    }

    /// Makes a branch continue at a step.
    fn aim(&mut self, branch: usize, step: u32) {
        for target in self.program.steps[branch].kernel.targets_mut() {
            *target = Target::step(step);
        }
    }

    /// Makes a branch continue at the next step.
    fn land(&mut self, branch: usize) {
        self.aim(branch, self.position());
    }
}

//! `send` and `recv`: values to and from the host or other devices.
//!
//! StableHLO specification, sections `send` and `recv`. A compiled program runs on one device by
//! itself, so the operations are known and verified, and neither evaluated nor compiled.
use super::feed::{infer_sent, verify_received, verify_sent};
use super::groups::Channel;
use super::token::expect_token;
use super::{AttrReader, AttrWriter, OpError, OpView, StructuralOp};
use crate::constraint;
use crate::eval::{EvalError, Evaluator, Tensor};
use crate::ir::{Attr, Type};

const WHY: &str = "a device has no channel to a host or another device; make the value an \
    argument or a result of the function";

/// Where a transfer goes.
#[derive(Clone, Debug, PartialEq)]
pub struct Route {
    /// The channel.
    pub channel: Channel,
    /// Whether the host is the other end.
    pub host: bool,
    /// Sources and targets, as written.
    pub pairs: Option<Attr>,
}

/// Codes of `ChannelType`.
const DEVICE_TO_DEVICE: i64 = 1;
const DEVICE_TO_HOST: i64 = 2;
const HOST_TO_DEVICE: i64 = 3;

impl Route {
    fn read(attrs: &mut AttrReader<'_>) -> Result<Route, OpError> {
        let channel = Channel::read(attrs)?;
        if channel.handle.is_none() {
            return Err(OpError::new("attribute `channel_handle` is missing"));
        }
        let host = attrs.opt_bool("is_host_transfer")?.unwrap_or(false);
        Ok(Route { channel, host, pairs: attrs.take("source_target_pairs") })
    }

    fn write(&self, attrs: &mut AttrWriter) {
        self.channel.write(attrs);
        attrs.bool("is_host_transfer", self.host);
        if let Some(pairs) = &self.pairs {
            attrs.attr("source_target_pairs", pairs.clone());
        }
    }

    fn verify(&self, host: i64) -> Result<(), OpError> {
        let kind = self.channel.number("type")?;
        let expected = if self.host { host } else { DEVICE_TO_DEVICE };
        constraint!(
            kind == expected,
            "C1",
            "the channel's type must be {expected} as is_host_transfer is {}, is {kind}",
            self.host
        );
        Ok(())
    }
}

/// Sends values.
#[derive(Clone, Debug, PartialEq)]
pub struct Send(pub Route);

impl StructuralOp for Send {
    const NAME: &'static str = "stablehlo.send";
    const SPEC: &'static str = "send";

    fn read(attrs: &mut AttrReader<'_>) -> Result<Self, OpError> {
        Route::read(attrs).map(Send)
    }

    fn write(&self, attrs: &mut AttrWriter) {
        self.0.write(attrs);
    }

    fn infer(&self, op: &OpView<'_>) -> Result<Option<Vec<Type>>, OpError> {
        infer_sent(op)
    }

    fn verify(&self, op: &OpView<'_>) -> Result<(), OpError> {
        self.0.verify(DEVICE_TO_HOST)?;
        verify_sent(op)
    }

    fn eval(
        &self,
        _op: &OpView<'_>,
        _inputs: &[Tensor],
        _evaluator: &mut Evaluator<'_>,
    ) -> Result<Vec<Tensor>, EvalError> {
        Err(EvalError::unsupported(Self::NAME, WHY))
    }
}

/// Receives values.
#[derive(Clone, Debug, PartialEq)]
pub struct Recv(pub Route);

impl StructuralOp for Recv {
    const NAME: &'static str = "stablehlo.recv";
    const SPEC: &'static str = "recv";

    fn read(attrs: &mut AttrReader<'_>) -> Result<Self, OpError> {
        Route::read(attrs).map(Recv)
    }

    fn write(&self, attrs: &mut AttrWriter) {
        self.0.write(attrs);
    }

    fn infer(&self, op: &OpView<'_>) -> Result<Option<Vec<Type>>, OpError> {
        op.expect_arity(1, op.op.results.len())?;
        Ok(None)
    }

    fn verify(&self, op: &OpView<'_>) -> Result<(), OpError> {
        self.0.verify(HOST_TO_DEVICE)?;
        expect_token(op, 0)?;
        verify_received(op, ["C2", "C3", "C4"])
    }

    fn eval(
        &self,
        _op: &OpView<'_>,
        _inputs: &[Tensor],
        _evaluator: &mut Evaluator<'_>,
    ) -> Result<Vec<Tensor>, EvalError> {
        Err(EvalError::unsupported(Self::NAME, WHY))
    }
}

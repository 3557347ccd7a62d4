//! Lowering of custom calls that are left to the firmware.

use microhlo_format::Kernel;
use microhlo_format::kernels::{
    ExternCall, ExternTensor, MAX_EXTERN_NAME, MAX_EXTERN_OPERANDS, MAX_EXTERN_RESULTS,
    MAX_EXTERN_SETTINGS, Setting,
};
use microhlo_format::{DType, Text};

use super::program::Ref;
use super::view::sizes;
use super::{Lowered, Lowerer, too_deep};
use crate::compile::CompileError;
use crate::diag::Span;
use crate::ir::{Attr, Op, OpId};
use crate::ops::attrs::ints_of;
use crate::ops::custom_call::CustomCall;

/// The attributes that hold the settings of a call: the second is where JAX has them.
const SETTINGS: [&str; 2] = ["backend_config", "mhlo.backend_config"];

impl Lowerer<'_> {
    /// A call of a function of the firmware.
    pub(super) fn extern_call(&mut self, op: OpId, call: &CustomCall) -> Lowered<()> {
        let span = self.span(op);
        let o = &self.body.ops[op];
        let fail = |why: String| {
            let text = format!("`{}` cannot be left to the firmware: {why}", call.target);
            CompileError::unsupported(span, text)
        };
        plain(call).map_err(fail)?;
        let settings = settings(o, call).map_err(fail)?;
        let long = |what: &str, most: usize| fail(format!("{what} exceeds {most} bytes"));
        let many = |what: &str, most: usize| fail(format!("it has more than {most} {what}"));
        let mut kernel = ExternCall {
            name: heapless::Vec::from_slice(call.target.as_bytes())
                .map_err(|_| long("its name", MAX_EXTERN_NAME))?,
            settings: heapless::Vec::from_slice(&settings)
                .map_err(|_| long("what its settings take", MAX_EXTERN_SETTINGS))?,
            operands: heapless::Vec::new(),
            results: heapless::Vec::new(),
        };
        for operand in o.operands.clone() {
            let (dtype, dims) = self.static_tensor(operand, span)?;
            let operand = tensor(dtype, &dims, self.dense(operand, span)?, span)?;
            kernel.operands.push(operand).map_err(|_| many("operands", MAX_EXTERN_OPERANDS))?;
        }
        for result in o.results.clone() {
            let (place, dtype, dims) = self.result(result, op)?;
            let result = tensor(dtype, &dims, place, span)?;
            kernel.results.push(result).map_err(|_| many("results", MAX_EXTERN_RESULTS))?;
        }
        self.step(Kernel::extern_call(kernel), op);
        self.name_step(&call.target);
        Ok(())
    }
}

fn tensor(dtype: DType, dims: &[u32], place: Ref, span: Span) -> Lowered<ExternTensor<Ref>> {
    Ok(ExternTensor { dtype, dims: sizes(dims).ok_or_else(|| too_deep(span))?, place })
}

/// Refuses what firmware cannot be asked for.
fn plain(call: &CustomCall) -> Result<(), String> {
    let row_major = |layout: &Attr| {
        let order = ints_of(layout).unwrap_or_default();
        order.iter().copied().eq((0..order.len() as i64).rev())
    };
    for layouts in ["operand_layouts", "result_layouts"] {
        if let Some(Attr::Array(list)) = call.config.get(layouts)
            && let Some(other) = list.iter().find(|layout| !row_major(layout))
        {
            return Err(format!("of `{layouts}`, {other} is not row-major, as all tensors are"));
        }
    }
    for attribute in ["output_operand_aliases", "called_computations"] {
        match call.config.get(attribute) {
            Some(Attr::Array(list)) if !list.is_empty() => {
                return Err(format!("`{attribute}` has no meaning there; export it without"));
            }
            _ => {}
        }
    }
    Ok(())
}

/// The settings of a call, encoded.
fn settings(op: &Op, call: &CustomCall) -> Result<Vec<u8>, String> {
    let mut out = Vec::new();
    for key in SETTINGS {
        match call.config.get(key).or_else(|| op.attrs.get(key)) {
            Some(Attr::Dict(dict)) => {
                dict.iter().try_for_each(|(name, value)| setting(name, value, &mut out))?;
            }
            Some(Attr::String(text)) if text.is_empty() => {}
            Some(value) => setting("", value, &mut out)?,
            None => {}
        }
    }
    Ok(out)
}

/// Appends one setting.
fn setting(name: &str, value: &Attr, out: &mut Vec<u8>) -> Result<(), String> {
    let wrong = || {
        format!(
            "its setting `{name} = {value}` is no boolean, integer, float, string or list of integers \
             of 64 bits"
        )
    };
    let mut put = |setting: Setting<'_>| setting.encode(name, out).map_err(|e| e.to_string());
    match value {
        Attr::Unit => put(Setting::Bool(true)),
        Attr::Bool(value) => put(Setting::Bool(*value)),
        Attr::Int(value, _) => put(Setting::Int(i64::try_from(*value).map_err(|_| wrong())?)),
        Attr::Float(value, ty) if &**ty == "f64" => put(Setting::F64(*value)),
        Attr::Float(value, _) => put(Setting::F32(*value as f32)),
        Attr::String(text) => put(Setting::Text(Text::from(&**text))),
        list => {
            let list = ints_of(list).ok_or_else(wrong)?;
            Setting::encode_ints(name, &list, out).map_err(|e| e.to_string())
        }
    }
}

#[cfg(test)]
mod tests {
    use microhlo_format::kernels::Call;
    use microhlo_format::{Artifact, KernelId};

    use crate::compile::{CompileOptions, Compiled, compile};
    use crate::diag::Source;
    use crate::front::mlir::parse_module;

    /// A program that calls `@board.filter` with these operands and attributes.
    fn compiled(call: &str) -> Result<Compiled, String> {
        let text = format!(
            "func.func @main(%x: tensor<2x3xf32>, %n: tensor<i32>) -> tensor<3xf32> {{
               {call}
               return %0 : tensor<3xf32>
             }}"
        );
        let module = parse_module(&Source::new("m.mlir", &text)).map_err(|e| e.to_string())?;
        let externs = vec!["board.filter".to_owned()];
        let options = CompileOptions { externs, ..CompileOptions::default() };
        compile(&module, &options).map_err(|e| e.message)
    }

    fn with(attributes: &str) -> Result<Compiled, String> {
        compiled(&format!(
            "%0 = stablehlo.custom_call @board.filter(%x, %n) {{{attributes}}} : \
             (tensor<2x3xf32>, tensor<i32>) -> tensor<3xf32>"
        ))
    }

    /// What the artifact says of its only call.
    fn shown(compiled: &Compiled) -> String {
        let artifact = Artifact::parse(&compiled.artifact).expect("an artifact");
        let calls = artifact.program().iter().filter(|step| step.kernel == KernelId::extern_call);
        let calls: Vec<String> = calls
            .map(|step| {
                let call = Call::parse(step.body).expect("a call");
                let settings: Vec<String> =
                    call.settings.iter().map(|(name, value)| format!("{name}={value}")).collect();
                let tensors = |list: microhlo_format::List<'_, _>| {
                    list.iter()
                        .map(|t: microhlo_format::kernels::ExternTensor<microhlo_format::Place>| {
                            format!("{:?}{}", t.dims, t.dtype)
                        })
                        .collect::<Vec<_>>()
                        .join(" ")
                };
                format!(
                    "{} {} -> {} {}",
                    call.name,
                    tensors(call.operands),
                    tensors(call.results),
                    settings.join(" ")
                )
            })
            .collect();
        calls.join("; ")
    }

    #[test]
    fn a_call_is_left_as_the_program_has_it() {
        let made = with(
            "api_version = 4 : i32, backend_config = {eps = 1.5 : f32, wide = 0.25, taps = [1, -2], \
             mode = \"edge\", on = true, n = -3 : i8}, operand_layouts = [dense<[1, 0]> : \
             tensor<2xindex>, dense<> : tensor<0xindex>], result_layouts = [dense<[0]> : \
             tensor<1xindex>]",
        )
        .expect("it compiles");
        assert_eq!(
            shown(&made),
            "board.filter [2, 3]f32 []i32 -> [3]f32 eps=1.5 wide=0.25 taps=[1, -2] mode=\"edge\" \
             on=true n=-3"
        );
        assert_eq!(made.report.kernels[0].name, "0:board.filter");
    }
}

//! The functions of the firmware that an artifact calls.

use microhlo_format::kernels::{Call, ExternTensor};
use microhlo_format::{Artifact, KernelId, List, Place};
use serde_json::{Map, Value, json};

/// A call of a function of the firmware: what it takes and gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Called {
    /// Name of the function.
    pub name: String,
    /// Types of the operands, for example `2x3xf32`.
    pub operands: Vec<String>,
    /// Types of the results.
    pub results: Vec<String>,
    /// Settings with their names.
    pub settings: Vec<(String, String)>,
}

/// The calls of an artifact, each kind of call once.
pub fn called(artifact: &Artifact<'_>) -> Vec<Called> {
    let mut all: Vec<Called> = Vec::new();
    for step in artifact.program().iter().filter(|step| step.kernel == KernelId::extern_call) {
        let Some(call) = Call::parse(step.body) else { continue };
        let settings = call.settings.iter();
        let called = Called {
            name: call.name.as_str().to_owned(),
            operands: types(call.operands),
            results: types(call.results),
            settings: settings.map(|(n, v)| (n.as_str().to_owned(), v.to_string())).collect(),
        };
        if !all.contains(&called) {
            all.push(called);
        }
    }
    all
}

fn types(tensors: List<'_, ExternTensor<Place>>) -> Vec<String> {
    let ty = |tensor: ExternTensor<Place>| {
        let dims: String = tensor.dims.iter().map(|dim| format!("{dim}x")).collect();
        format!("{dims}{}", tensor.dtype)
    };
    tensors.iter().map(ty).collect()
}

impl Called {
    /// The call as a signature, for example `board.filter(2x3xf32) -> 2x3xf32`.
    pub fn text(&self) -> String {
        let Called { name, operands, results, settings } = self;
        let settings: Vec<String> =
            settings.iter().map(|(name, value)| format!("{name} = {value}")).collect();
        let settings = match settings.is_empty() {
            true => String::new(),
            false => format!(" {{{}}}", settings.join(", ")),
        };
        format!("{name}({}){settings} -> ({})", operands.join(", "), results.join(", "))
    }

    /// For machines.
    pub fn json(&self) -> Value {
        let settings: Map<String, Value> =
            self.settings.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
        json!({
            "name": self.name,
            "operands": self.operands,
            "results": self.results,
            "settings": settings,
        })
    }
}

/// Why an artifact cannot run where no firmware is: what it calls, and what to do.
pub fn refusal(artifact: &Artifact<'_>) -> Option<String> {
    let called = called(artifact);
    let name = &called.first()?.name;
    Some(format!(
        "the model calls `{name}`, which only firmware provides that registers it; run that firmware, or \
         compile the program without `--extern {name}` if it is a composite"
    ))
}

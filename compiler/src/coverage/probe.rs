//! Probes: the smallest program of every operation.

use microhlo_format::DType;

use super::Element;

/// A probe as `probes.txt` has it.
#[derive(Clone, Copy, Debug)]
pub struct Probe {
    /// Full name of the operation.
    pub name: &'static str,
    args: &'static str,
    results: &'static str,
    body: &'static str,
}

/// All probes.
pub fn probes() -> Vec<Probe> {
    let lines = include_str!("probes.txt").lines();
    lines.filter(|line| !line.is_empty() && !line.starts_with('#')).filter_map(parse).collect()
}

fn parse(line: &'static str) -> Option<Probe> {
    let mut fields = line.splitn(4, '|').map(str::trim);
    let (name, args) = (fields.next()?, fields.next()?);
    Some(Probe { name, args, results: fields.next()?, body: fields.next()? })
}

/// Types separated by commas outside of angle brackets.
fn split(list: &str) -> Vec<&str> {
    let (mut depth, mut start, mut parts) = (0, 0, Vec::new());
    for (i, c) in list.char_indices() {
        match c {
            '<' => depth += 1,
            '>' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(list[start..i].trim());
                start = i + 1;
            }
            _ => {}
        }
    }
    parts.push(list[start..].trim());
    parts.retain(|part| !part.is_empty());
    parts
}

impl Probe {
    /// The program for one element type.
    pub fn program(&self, element: Element) -> String {
        let tensor = |ty: &&str| format!("tensor<{ty}>");
        let args = split(self.args);
        let types: Vec<String> = split(self.results).iter().map(tensor).collect();
        let params: Vec<String> =
            args.iter().zip('a'..).map(|(ty, name)| format!("%{name}: {}", tensor(ty))).collect();
        let (body, chosen) = match self.body.rsplit_once(" # ") {
            Some((body, chosen)) => (body, chosen.split_once('/')),
            None => (self.body, None),
        };
        let mut text = String::new();
        let mut statements: Vec<&str> = body.split(" ; ").collect();
        let last = statements.pop().unwrap_or_default();
        for (i, statement) in statements.iter().enumerate() {
            text += &format!("  %{i} = {statement}\n");
        }
        let (define, names): (String, Vec<String>) = match (chosen, types.len()) {
            (Some((index, count)), _) => (format!("%r:{count} = "), vec![format!("%r#{index}")]),
            (None, 0) => (String::new(), vec![]),
            (None, 1) => ("%r = ".into(), vec!["%r".into()]),
            (None, n) => (format!("%r:{n} = "), (0..n).map(|i| format!("%r#{i}")).collect()),
        };
        text += &format!("  {define}{last}\n");
        let returned = match names.is_empty() {
            true => String::new(),
            false => format!(" {} : {}", names.join(", "), types.join(", ")),
        };
        let text = format!(
            "func.func @main({}) -> ({}) {{\n{text}  return{returned}\n}}\n",
            params.join(", "),
            types.join(", ")
        );
        substitute(&text, element)
    }
}

/// Replaces the placeholders.
fn substitute(text: &str, element: Element) -> String {
    let name = element.spelling();
    let real = match name {
        "complex<f32>" => "f32",
        "complex<f64>" => "f64",
        other => other,
    };
    let one = match element {
        Element::Plain(d) if d.is_complex() => "(1.0, 0.0)",
        Element::Plain(d) if d.is_float() => "1.0",
        _ => "1",
    };
    let typed = match element {
        Element::Plain(DType::I1) => "true".to_owned(),
        _ => format!("{one} : {name}"),
    };
    let text = text.replace("$V", &typed).replace("$T", name);
    text.replace("$R", real).replace("$1", one)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::OpKind;

    /// Operations without a probe: they structure programs, or belong to the test dialects.
    const WITHOUT_PROBE: &[&str] = &[
        "func.call",
        "func.return",
        "stablehlo.return",
        "stablehlo.composite",
        "stablehlo.custom_call",
        "check.expect_eq",
        "check.expect_eq_const",
        "check.expect_almost_eq",
        "check.expect_almost_eq_const",
        "check.expect_close",
    ];

    #[test]
    fn every_operation_has_a_probe_or_a_reason_to_have_none() {
        let probes = probes();
        for name in OpKind::known() {
            let probed = probes.iter().any(|probe| probe.name == name);
            assert!(probed != WITHOUT_PROBE.contains(&name), "{name}");
        }
    }

    #[test]
    fn every_probe_is_valid_for_some_type() {
        for probe in probes() {
            let valid = Element::all().any(|element| {
                super::super::verdict(&probe, element) != super::super::Verdict::Invalid
            });
            let program = probe.program(Element::Plain(microhlo_format::DType::F32));
            assert!(valid, "{}: valid for no type:\n{program}", probe.name);
        }
    }
}

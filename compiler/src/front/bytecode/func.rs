//! Functions: header attributes, arguments, body.

use std::sync::Arc;

use super::ir::{Builder, Head};
use super::reader::{Reader, Res, fail};
use crate::diag::Span;
use crate::front::mlir;
use crate::ir::{Attr, Body, Dict, Func, Type};

impl<'a> Builder<'_, 'a> {
    /// A function and its body, kept if all of it could be read.
    pub(super) fn function(&mut self, r: &mut Reader<'a>, head: &Head<'a>) -> Res<()> {
        self.body = Body::new();
        let failed = self.failed;
        let entry = self.body.entry;
        let mut names = None;
        self.regions(r, head, |this, r| {
            let (ops, found) = this.block_head(r, entry)?;
            names = Some(found);
            for _ in 0..ops {
                this.op(r, entry, true)?;
            }
            Ok(())
        })?;
        match self.finish_function(head, names) {
            Ok(func) if self.failed == failed => {
                self.module.funcs.push(func);
            }
            Ok(_) => {}
            Err(failure) => self.report_failure(&failure),
        }
        Ok(())
    }

    /// The function whose body was read; `names` are those of its arguments, `None` if it has no
    /// body.
    fn finish_function(
        &mut self,
        head: &Head<'a>,
        names: Option<Vec<Option<Arc<str>>>>,
    ) -> Res<Func> {
        let attrs = self.all_attrs(head)?;
        let (mut func, inputs) = self.header(head, attrs)?;
        let entry = self.body.entry;
        match names {
            Some(names) => func.arg_names = names,
            // A declaration has no entry block.
            None => inputs.iter().for_each(|ty| {
                self.body.add_arg(entry, ty.clone());
            }),
        }
        let args = &self.body.blocks[entry].args;
        if !args.iter().map(|&a| self.body.ty(a)).eq(inputs.iter()) {
            let message = "the entry block's arguments differ from the inputs of `function_type`";
            return fail(head.at, message);
        }
        func.arg_names.resize(inputs.len(), None);
        func.arg_attrs.resize_with(inputs.len(), Dict::default);
        func.result_attrs.resize_with(func.results.len(), Dict::default);
        func.body = std::mem::take(&mut self.body);
        name_by_path(&mut func);
        Ok(func)
    }

    /// The function that the attributes describe, without its body, and its argument types.
    fn header(&mut self, head: &Head<'a>, attrs: Dict) -> Res<(Func, Vec<Type>)> {
        let mut func = Func {
            name: "".into(),
            public: true,
            arg_attrs: Vec::new(),
            arg_names: Vec::new(),
            results: Vec::new(),
            result_attrs: Vec::new(),
            attrs: Dict::default(),
            body: Body::new(),
            span: Span::default(),
        };
        let mut signature = None;
        for (key, value) in attrs.0 {
            match (&*key, value) {
                ("sym_name", Attr::String(name)) => func.name = name,
                ("sym_visibility", Attr::String(v)) => {
                    func.public = !matches!(&*v, "private" | "nested");
                }
                ("arg_attrs", value) => func.arg_attrs = dicts(value),
                ("res_attrs", value) => func.result_attrs = dicts(value),
                ("function_type", value) => signature = mlir::signature(&value),
                (_, value) => func.attrs.0.push((key, value)),
            }
        }
        let Some((inputs, results)) = signature.filter(|_| !func.name.is_empty()) else {
            return fail(head.at, "a function needs `sym_name` and `function_type`");
        };
        if !self.func_names.insert(Arc::clone(&func.name)) {
            return fail(head.at, format!("function `@{}` is defined twice", func.name));
        }
        func.results = results;
        Ok((func, inputs))
    }
}

/// The dictionaries of a list.
fn dicts(attr: Attr) -> Vec<Dict> {
    let Attr::Array(items) = attr else { return Vec::new() };
    let dict = |attr| match attr {
        Attr::Dict(dict) => dict,
        _ => Dict::default(),
    };
    items.into_iter().map(dict).collect()
}

/// Where locations do not name arguments, TensorFlow's paths do.
fn name_by_path(func: &mut Func) {
    for (name, attrs) in func.arg_names.iter_mut().zip(&func.arg_attrs) {
        if name.is_none()
            && let Some(Attr::Array(path)) = attrs.get("tf_saved_model.index_path")
            && let Some(Attr::String(text)) = path.first()
        {
            *name = Some(Arc::clone(text));
        }
    }
}

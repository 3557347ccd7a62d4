//! Attributes of HLO instructions under their StableHLO names.

use super::super::graph::{Attrs, Window};
use super::NewOp;
use crate::front::mlir::attr_from_text;
use crate::ir::{Attr, Dict};

impl NewOp<'_> {
    /// A list of enum-like words as `#stablehlo.NAME<field = [..], ...>`.
    fn structure(&mut self, key: &str, name: &str, lists: &[(&str, &[i64])], vector: Option<i64>) {
        let mut fields = Dict::default();
        for (field, list) in lists.iter().filter(|(_, list)| !list.is_empty()) {
            fields.push(field, Attr::DenseInts(list.to_vec()));
        }
        if let Some(dim) = vector {
            fields.push("index_vector_dim", Attr::i64(dim));
        }
        self.attrs.attr(key, Attr::Struct(name.into(), fields));
    }

    pub(super) fn dot(&mut self, attrs: &Attrs) {
        let d = &attrs.dot;
        let lists: [(&str, &[i64]); 4] = [
            ("lhs_batching_dimensions", &d.lhs_batch),
            ("rhs_batching_dimensions", &d.rhs_batch),
            ("lhs_contracting_dimensions", &d.lhs_contracting),
            ("rhs_contracting_dimensions", &d.rhs_contracting),
        ];
        self.structure("dot_dimension_numbers", "stablehlo.dot", &lists, None);
        self.precision(attrs);
    }

    pub(super) fn convolution(&mut self, attrs: &Attrs) {
        if let Some(lists) = &attrs.conv_dims {
            self.attrs.attr("dimension_numbers", Attr::ConvDims(lists.clone().into()));
        }
        let window = &attrs.window;
        self.ints("window_strides", &window.stride);
        self.ints("lhs_dilation", &window.lhs_dilate);
        self.ints("rhs_dilation", &window.rhs_dilate);
        self.pairs(window);
        if !window.reversal.is_empty() {
            self.attrs.attr("window_reversal", Attr::DenseBools(window.reversal.clone()));
        }
        self.attrs.int("feature_group_count", attrs.feature_groups.unwrap_or(1));
        self.attrs.int("batch_group_count", attrs.batch_groups.unwrap_or(1));
        self.precision(attrs);
    }

    /// The window of `reduce-window` and `select-and-scatter`.
    pub(super) fn window(&mut self, window: &Window) {
        self.attrs.ints("window_dimensions", &window.size);
        self.ints("window_strides", &window.stride);
        self.ints("base_dilations", &window.lhs_dilate);
        self.ints("window_dilations", &window.rhs_dilate);
        self.pairs(window);
    }

    /// Precisions unless all are the default, which text leaves out.
    fn precision(&mut self, attrs: &Attrs) {
        if attrs.precision.iter().any(|p| &**p != "DEFAULT") {
            self.attrs.precision(&attrs.precision);
        }
    }

    /// A list unless it is empty, which HLO means as all defaults.
    fn ints(&mut self, name: &str, list: &[i64]) {
        if !list.is_empty() {
            self.attrs.ints(name, list);
        }
    }

    fn pairs(&mut self, window: &Window) {
        if !window.padding.is_empty() {
            self.attrs.pairs("padding", &window.padding);
        }
    }

    pub(super) fn gather(&mut self, attrs: &Attrs) {
        let d = &attrs.index;
        let lists: [(&str, &[i64]); 5] = [
            ("offset_dims", &d.offset),
            ("collapsed_slice_dims", &d.collapsed),
            ("operand_batching_dims", &d.operand_batching),
            ("start_indices_batching_dims", &d.indices_batching),
            ("start_index_map", &d.map),
        ];
        self.structure("dimension_numbers", "stablehlo.gather", &lists, Some(d.vector_dim));
        self.attrs.ints("slice_sizes", &d.slice_sizes);
        self.attrs.bool("indices_are_sorted", attrs.sorted);
    }

    pub(super) fn scatter(&mut self, attrs: &Attrs) {
        let d = &attrs.index;
        let lists: [(&str, &[i64]); 5] = [
            ("update_window_dims", &d.offset),
            ("inserted_window_dims", &d.collapsed),
            ("input_batching_dims", &d.operand_batching),
            ("scatter_indices_batching_dims", &d.indices_batching),
            ("scatter_dims_to_operand_dims", &d.map),
        ];
        let key = "scatter_dimension_numbers";
        self.structure(key, "stablehlo.scatter", &lists, Some(d.vector_dim));
        self.attrs.bool("indices_are_sorted", attrs.sorted);
        self.attrs.bool("unique_indices", attrs.unique);
    }

    pub(super) fn slice(&mut self, attrs: &Attrs) {
        let list =
            |f: fn(&(i64, i64, i64)) -> i64| -> Vec<i64> { attrs.slice.iter().map(f).collect() };
        self.attrs.ints("start_indices", &list(|s| s.0));
        self.attrs.ints("limit_indices", &list(|s| s.1));
        self.attrs.ints("strides", &list(|s| s.2));
    }

    pub(super) fn pad(&mut self, attrs: &Attrs) {
        let list =
            |f: fn(&(i64, i64, i64)) -> i64| -> Vec<i64> { attrs.padding.iter().map(f).collect() };
        self.attrs.ints("edge_padding_low", &list(|p| p.0));
        self.attrs.ints("edge_padding_high", &list(|p| p.1));
        self.attrs.ints("interior_padding", &list(|p| p.2));
    }

    pub(super) fn compare(&mut self, attrs: &Attrs) {
        let kind = "comparison_direction";
        self.attrs.enumeration(kind, kind, &attrs.direction);
        // The others follow from the element type; only this one changes the meaning.
        if attrs.compare_type == "TOTALORDER" {
            self.attrs.enumeration("compare_type", "comparison_type", "TOTALORDER");
        }
    }

    pub(super) fn triangular_solve(&mut self, attrs: &Attrs) {
        self.attrs.bool("left_side", attrs.left_side);
        self.attrs.bool("lower", attrs.lower);
        self.attrs.bool("unit_diagonal", attrs.unit_diagonal);
        let transpose = if attrs.transpose.is_empty() { "NO_TRANSPOSE" } else { &attrs.transpose };
        self.attrs.enumeration("transpose_a", "transpose", transpose);
    }

    pub(super) fn batch_norm(&mut self, attrs: &Attrs) {
        self.attrs.f32("epsilon", attrs.epsilon);
        self.attrs.int("feature_index", attrs.feature_index);
    }

    pub(super) fn custom_call(&mut self, attrs: &Attrs) {
        self.attrs.attr("call_target_name", Attr::String(attrs.target.as_str().into()));
        self.attrs.bool("has_side_effect", attrs.side_effect);
        if !attrs.backend_config.is_empty() {
            self.attrs.attr("backend_config", backend_config(attrs));
        }
        if attrs.api_version > 1 {
            self.attrs.i32("api_version", attrs.api_version);
        }
    }
}

/// Version of custom calls whose settings are a dictionary, which HLO keeps as MLIR text.
const TYPED_FFI: i64 = 4;

/// The settings of a custom call.
fn backend_config(attrs: &Attrs) -> Attr {
    let text = attrs.backend_config.as_str();
    let typed = (attrs.api_version == TYPED_FFI).then(|| attr_from_text(text)).flatten();
    match typed {
        Some(dict @ Attr::Dict(_)) => dict,
        _ => Attr::String(text.into()),
    }
}

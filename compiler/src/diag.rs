//! Diagnostics: what is wrong, where, and what to do.
//!
//! Everything that reads a program reports through [`Diagnostic`]. A collection of them holds its
//! [`Source`], so that displaying it needs nothing else. Lines of model files are often megabytes
//! long; only a window around the reported place is shown.

use std::fmt;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

use crate::compile::CompileError;
use crate::verify::VerifyError;

/// A byte range of the source.
///
/// ```
/// use microhlo_compiler::diag::{Source, Span};
///
/// let source = Source::new("model.mlir", "first\n  second");
/// let span = Span { start: 8, end: 14 };
/// assert_eq!(&source.text()[span.range()], "second");
/// assert_eq!(source.line_column(span.range().start), (2, 3));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Span {
    /// First byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
}

impl Span {
    /// The bytes from `start` to `end`. Positions beyond 4 GiB saturate; [`Source`] refuses texts
    /// that large.
    pub(crate) fn new(start: usize, end: usize) -> Span {
        let narrow = |x: usize| u32::try_from(x).unwrap_or(u32::MAX);
        Span { start: narrow(start), end: narrow(end.max(start)) }
    }

    /// The range as indices into the source's bytes. See the example of [`Span`].
    pub fn range(self) -> Range<usize> {
        self.start as usize..self.end as usize
    }
}

/// A program text with the name to show for it. Clones share the text.
///
/// ```
/// use microhlo_compiler::diag::Source;
///
/// let source = Source::new("model.mlir", "module {\n}\n");
/// assert_eq!((source.name(), source.text().len()), ("model.mlir", 11));
/// // The brace of the second line.
/// assert_eq!(source.line_column(9), (2, 1));
/// ```
#[derive(Clone, Debug)]
pub struct Source {
    name: Arc<str>,
    text: Arc<String>,
}

impl Source {
    /// A source from text; `name` is shown in diagnostics, usually a path. See the example of [`Source`].
    pub fn new(name: &str, text: impl Into<String>) -> Source {
        Source { name: name.into(), text: Arc::new(text.into()) }
    }

    /// A source from bytes.
    ///
    /// ```
    /// use microhlo_compiler::diag::Source;
    ///
    /// assert!(Source::from_bytes("model.mlir", b"module {}".to_vec()).is_ok());
    /// let error = Source::from_bytes("model.mlir", b"module\n\xff".to_vec()).unwrap_err();
    /// assert!(error.to_string().contains("found byte 0xff at offset 7 (line 2)"));
    /// ```
    ///
    /// # Errors
    /// A diagnostic if the bytes are MLIR bytecode, not UTF-8, or more than 4 GiB.
    pub fn from_bytes(name: &str, bytes: Vec<u8>) -> Result<Source, Diagnostics> {
        let refuse = |message: String, help: &str| {
            let diagnostic = Diagnostic::error(message).help(help);
            Err(Diagnostics::one(&Source::new(name, ""), diagnostic))
        };
        if bytes.starts_with(b"ML\xefR") {
            let help = "convert it to text with `stablehlo-translate --deserialize`";
            return refuse(format!("{name}: expected MLIR text, found MLIR bytecode"), help);
        }
        if u32::try_from(bytes.len()).is_err() {
            let help = "split the weights off, or lower their precision";
            return refuse(format!("{name}: the text is larger than 4 GiB"), help);
        }
        match String::from_utf8(bytes) {
            Ok(text) => Ok(Source::new(name, text)),
            Err(error) => {
                let good = error.utf8_error().valid_up_to();
                let bytes = error.as_bytes();
                let line = 1 + memchr::memchr_iter(b'\n', &bytes[..good]).count();
                let message = format!(
                    "{name}: expected UTF-8 text, found byte 0x{:02x} at offset {good} (line {line})",
                    bytes.get(good).copied().unwrap_or(0),
                );
                refuse(message, "pass StableHLO text as the exporter printed it")
            }
        }
    }

    /// Reads a file.
    ///
    /// ```
    /// use microhlo_compiler::diag::Source;
    /// use std::path::Path;
    ///
    /// let error = Source::read(Path::new("no-such-model.mlir")).unwrap_err();
    /// assert!(error.to_string().starts_with("error: cannot read no-such-model.mlir"));
    /// ```
    ///
    /// # Errors
    /// As [`Source::from_bytes`], and when the file cannot be read.
    pub fn read(path: &Path) -> Result<Source, Diagnostics> {
        let name = path.display().to_string();
        match std::fs::read(path) {
            Ok(bytes) => Source::from_bytes(&name, bytes),
            Err(error) => {
                let diagnostic = Diagnostic::error(format!("cannot read {name}: {error}"))
                    .help("check the path and its permissions");
                Err(Diagnostics::one(&Source::new(&name, ""), diagnostic))
            }
        }
    }

    /// The name to show. See the example of [`Source`].
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The text. See the example of [`Source`].
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Line and column of a byte offset, both from 1; the column counts characters. See the example of [`Source`].
    pub fn line_column(&self, offset: usize) -> (usize, usize) {
        let offset = self.floor(offset);
        let before = &self.text[..offset];
        let line = 1 + memchr::memchr_iter(b'\n', before.as_bytes()).count();
        let start = memchr::memrchr(b'\n', before.as_bytes()).map_or(0, |i| i + 1);
        (line, 1 + before[start..].chars().count())
    }

    /// The nearest character boundary at or before `offset`.
    fn floor(&self, offset: usize) -> usize {
        self.text.floor_char_boundary(offset)
    }
}

/// How bad it is. See the example of [`Diagnostic`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// The program cannot be compiled.
    Error,
    /// It can, though probably not as meant.
    Warning,
}

/// One report: what is wrong, where, and what to do.
///
/// ```
/// use microhlo_compiler::diag::{Diagnostic, Severity, Source, Span};
///
/// let source = Source::new("model.mlir", "tensor<64x8xf32>");
/// let report = Diagnostic {
///     severity: Severity::Warning,
///     message: "a batch of 64".to_owned(),
///     span: Some(Span { start: 7, end: 9 }),
///     label: Some("the batch".to_owned()),
///     notes: Vec::new(),
///     help: Some("export the model with a batch of 1".to_owned()),
///     unsupported: false,
/// };
/// let expected = "\
/// warning: a batch of 64
///  --> model.mlir:1:8
///   |
/// 1 | tensor<64x8xf32>
///   |        ^^ the batch
///   |
///   = help: export the model with a batch of 1";
/// assert_eq!(report.render(&source), expected);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong: what was expected and what was found.
    pub message: String,
    /// Where; `None` when no place in the source is to blame.
    pub span: Option<Span>,
    /// Text beside the caret.
    pub label: Option<String>,
    /// Facts that explain the message.
    pub notes: Vec<String>,
    /// What to do about it.
    pub help: Option<String>,
    /// Whether the program may well be valid, and only this version cannot take it.
    pub unsupported: bool,
}

impl Diagnostic {
    /// An error without a place.
    pub(crate) fn error(message: impl Into<String>) -> Diagnostic {
        Diagnostic {
            severity: Severity::Error,
            message: message.into(),
            span: None,
            label: None,
            notes: Vec::new(),
            help: None,
            unsupported: false,
        }
    }

    /// An error about something that is valid, or may be, and not supported.
    pub(crate) fn unsupported(message: impl Into<String>) -> Diagnostic {
        Diagnostic { unsupported: true, ..Diagnostic::error(message) }
    }

    /// Sets the place. The default span, which operations made by passes carry, is no place.
    pub(crate) fn at(mut self, span: Span) -> Diagnostic {
        self.span = (span != Span::default()).then_some(span);
        self
    }

    /// Adds an explaining fact.
    pub(crate) fn note(mut self, text: impl Into<String>) -> Diagnostic {
        self.notes.push(text.into());
        self
    }

    /// Says what to do.
    pub(crate) fn help(mut self, text: impl Into<String>) -> Diagnostic {
        self.help = Some(text.into());
        self
    }

    /// Renders the report with its place in `source`, without colours, ending in no newline.
    /// See the example of [`Diagnostic`].
    pub fn render(&self, source: &Source) -> String {
        let level = match self.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let mut group = Group::with_title(level.primary_title(&self.message));
        let window = self.span.map(|span| Window::around(source, span));
        if let Some(window) = &window {
            let mut mark = AnnotationKind::Primary.span(window.mark.clone());
            if let Some(label) = &self.label {
                mark = mark.label(label);
            }
            let snippet = Snippet::source(&window.text).line_start(window.line).annotation(mark);
            group = group.element(snippet);
        }
        group = group.elements(self.notes.iter().map(|n| Level::NOTE.message(n)));
        group = group.elements(self.help.iter().map(|h| Level::HELP.message(h)));
        let text = Renderer::plain().render(&[group]);
        match window {
            Some(window) => window.with_place(source, &text),
            None => text,
        }
    }
}

impl From<&VerifyError> for Diagnostic {
    /// A violated constraint, with its label in the specification as a note.
    fn from(violation: &VerifyError) -> Diagnostic {
        let VerifyError { span, op, constraint, .. } = violation;
        let report = Diagnostic::error(violation.to_string()).at(*span);
        match constraint {
            Some(label) => {
                let section = op.rsplit('.').next().unwrap_or(op);
                report.note(format!(
                    "constraint {label} of `{section}` in the StableHLO specification"
                ))
            }
            None => report,
        }
    }
}

impl From<&CompileError> for Diagnostic {
    /// What the compiler refuses; that it is valid all the same if it is only not supported.
    fn from(error: &CompileError) -> Diagnostic {
        let report = Diagnostic::error(&error.message).at(error.span);
        match error.unsupported {
            true => report.help("the program is valid; this version does not support it yet"),
            false => report,
        }
    }
}

/// The part of a line that is shown.
struct Window {
    text: String,
    mark: Range<usize>,
    line: usize,
    column: usize,
}

/// Bytes shown before and after the start of the marked range, and the longest mark.
const BEFORE: usize = 60;
const AFTER: usize = 60;
const LONGEST_MARK: usize = 48;

impl Window {
    fn around(source: &Source, span: Span) -> Window {
        let text = source.text();
        let start = source.floor(span.range().start.min(text.len()));
        let (line, column) = source.line_column(start);
        let bytes = text.as_bytes();
        let line_start = memchr::memrchr(b'\n', &bytes[..start]).map_or(0, |i| i + 1);
        let line_end = memchr::memchr(b'\n', &bytes[start..]).map_or(bytes.len(), |i| start + i);
        let mark_end = source.floor(span.range().end.clamp(start, line_end));
        let mark_end = source.floor(mark_end.min(start + LONGEST_MARK)).max(start);
        let from = source.floor(line_start.max(start.saturating_sub(BEFORE)));
        let to = source.floor(line_end.min(mark_end + AFTER));
        let mut shown = String::new();
        if from > line_start {
            shown.push_str("... ");
        }
        let shift = shown.len();
        shown.push_str(text.get(from..to).unwrap_or(""));
        if to < line_end {
            shown.push_str(" ...");
        }
        let mark = start - from + shift..mark_end - from + shift;
        Window { text: shown, mark, line, column }
    }

    /// Adds the line that names the place. The renderer cannot: it would count the column within
    /// the window.
    fn with_place(&self, source: &Source, rendered: &str) -> String {
        let indent = self.line.to_string().len();
        let place = format!("{:indent$}--> {}:{}:{}", "", source.name(), self.line, self.column);
        match rendered.find("\n") {
            Some(end) => format!("{}\n{place}{}", &rendered[..end], &rendered[end..]),
            None => format!("{rendered}\n{place}"),
        }
    }
}

/// Reports about one source. Displays as all of them rendered, one after the other.
///
/// ```
/// use microhlo_compiler::front;
///
/// let text = "func.func @main(%x: tensor<4xf32>) -> tensor<4xf32> {
///   %0 = \"tf.Print\"(%x) : (tensor<4xf32>) -> tensor<4xf32>
///   return %0 : tensor<4xf32>
/// }";
/// let found = front::parse("print.mlir", text).unwrap_err();
/// assert!(found.has_errors());
/// assert_eq!((found.items().len(), found.source().name()), (1, "print.mlir"));
/// // An operation of TensorFlow is no mistake; this compiler does not know it.
/// let report = found.unsupported().expect("a report");
/// assert!(report.notes[0].starts_with("`tf.Print`: 1 time, at"));
/// // All reports, as the command prints them.
/// assert_eq!(found.to_string(), report.render(found.source()));
/// ```
#[derive(Clone, Debug)]
pub struct Diagnostics {
    source: Source,
    items: Vec<Diagnostic>,
}

impl Diagnostics {
    /// Reports about `source`.
    pub(crate) fn new(source: &Source, items: Vec<Diagnostic>) -> Diagnostics {
        Diagnostics { source: source.clone(), items }
    }

    /// A single report about `source`.
    pub(crate) fn one(source: &Source, item: Diagnostic) -> Diagnostics {
        Diagnostics::new(source, vec![item])
    }

    /// The verifier's violations.
    pub(crate) fn violations(source: &Source, violations: &[VerifyError]) -> Diagnostics {
        Diagnostics::new(source, violations.iter().map(Diagnostic::from).collect())
    }

    /// The source. See the example of [`Diagnostics`].
    pub fn source(&self) -> &Source {
        &self.source
    }

    /// The reports, in the order found. See the example of [`Diagnostics`].
    pub fn items(&self) -> &[Diagnostic] {
        &self.items
    }

    /// Whether one of them is an error. See the example of [`Diagnostics`].
    pub fn has_errors(&self) -> bool {
        self.items.iter().any(|d| d.severity == Severity::Error)
    }

    /// The first report of something that is not supported. Further errors may only follow from
    /// it. See the example of [`Diagnostics`].
    pub fn unsupported(&self) -> Option<&Diagnostic> {
        self.items.iter().find(|d| d.unsupported)
    }
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, item) in self.items.iter().enumerate() {
            if i > 0 {
                f.write_str("\n\n")?;
            }
            f.write_str(&item.render(&self.source))?;
        }
        Ok(())
    }
}

impl std::error::Error for Diagnostics {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_names_place_line_and_remedy() {
        let source = Source::new("m.mlir", "first\n  second line\n");
        let report = Diagnostic::error("expected `x`, found `second`")
            .at(Span::new(8, 14))
            .note("a fact")
            .help("write `x`");
        let expected = "\
error: expected `x`, found `second`
 --> m.mlir:2:3
  |
2 |   second line
  |   ^^^^^^
  |
  = note: a fact
  = help: write `x`";
        assert_eq!(report.render(&source), expected);
    }

    #[test]
    fn violations_cite_the_specification() {
        let text = "func.func @main(%x: tensor<2x3xf32>) -> tensor<2x3xf32> {\n  \
            %0 = stablehlo.transpose %x, dims = [1, 1] : (tensor<2x3xf32>) -> tensor<3x3xf32>\n  \
            return %x : tensor<2x3xf32>\n}\n";
        let source = Source::new("m.mlir", text);
        let module = crate::front::mlir::parse_module(&source).unwrap();
        let violations = crate::verify::verify(&module).unwrap_err();
        let expected = "\
error: `stablehlo.transpose`: (C2) permutation [1, 1] must be a permutation of 0..2
 --> m.mlir:2:8
  |
2 |   %0 = stablehlo.transpose %x, dims = [1, 1] : (tensor<2x3xf32>) -> tensor<3x3xf32>
  |        ^^^^^^^^^^^^^^^^^^^
  |
  = note: constraint C2 of `transpose` in the StableHLO specification";
        assert_eq!(Diagnostic::from(&violations[0]).render(&source), expected);
    }

    #[test]
    fn only_a_window_of_a_long_line_is_shown() {
        let text = format!("{}X{}", "a".repeat(1 << 20), "b".repeat(1 << 20));
        let source = Source::new("m.mlir", text);
        let rendered =
            Diagnostic::error("bad").at(Span::new(1 << 20, (1 << 20) + 1)).render(&source);
        assert!(rendered.len() < 600, "{rendered}");
        assert!(rendered.contains("m.mlir:1:1048577"), "{rendered}");
        let mut lines = rendered.lines().skip(3);
        let (code, caret) = (lines.next().unwrap(), lines.next().unwrap());
        assert_eq!(code.find('X'), caret.find('^'), "{rendered}");
        assert!(code.starts_with("1 | ... aaa") && code.ends_with("bbb ..."), "{rendered}");
    }

    #[test]
    fn spans_beyond_the_text_and_inside_characters_render() {
        let source = Source::new("m.mlir", "äöü");
        for start in 0..9 {
            for end in 0..12 {
                let rendered = Diagnostic::error("bad").at(Span::new(start, end)).render(&source);
                assert!(rendered.contains("bad"));
            }
        }
    }

    #[test]
    fn bytes_that_are_no_text_are_refused() {
        let error = Source::from_bytes("m.mlir", b"module\n\xff".to_vec()).unwrap_err();
        assert!(error.to_string().contains("byte 0xff at offset 7 (line 2)"), "{error}");
        let error = Source::from_bytes("m.mlirbc", b"ML\xefR\x0d".to_vec()).unwrap_err();
        assert!(error.to_string().contains("found MLIR bytecode"), "{error}");
    }
}

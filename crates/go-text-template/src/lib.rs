//! Go's text/template: lexer, parser, program and execution over a shared mutable value.

//! A program with functions of its own: one that is pure, one that keeps state, one that fails.

use go_text_template::{Execution, Function, Functions, Purity, Templates, Type, Value};

struct Numbers(i64);

const FUNCTIONS: &[Function] = &[
    Function::new("upper", &[Type::String], |_, arguments| {
        Ok(arguments[0].to_string().to_uppercase().into())
    }),
    Function::new("number", &[], |scope, _| {
        let numbers = scope.state::<Numbers>().ok_or("no numbers here")?;
        numbers.0 += 1;
        Ok(Value::Int(numbers.0))
    })
    .with_purity(Purity::World),
    Function::new("refuse", &[Type::String], |_, arguments| {
        Err(arguments[0].to_string().into())
    }),
];

#[expect(clippy::print_stdout, reason = "an example shows what it does")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut templates = Templates::new(Functions::new().with(FUNCTIONS));
    templates.parse(
        "crew",
        "{{ range . }}{{ number }}. {{ .name | upper }}\n{{ end }}",
    )?;
    templates.parse("bad", "{{ refuse \"not today\" }}")?;

    let crew = Value::list([Value::map([("name", "Ada")]), Value::map([("name", "Zoe")])]);
    let mut execution = Execution::new(&templates).with_state(Numbers(0));
    print!("{}", execution.execute("crew", crew)?);

    let error = execution.execute("bad", Value::Nil);
    println!(
        "{}",
        error
            .err()
            .map_or_else(String::new, |error| error.to_string())
    );
    Ok(())
}

//! Random text, numbers and identifiers, drawn from the tape of the render.

use chacha20::ChaCha20Rng;
use chacha20::rand_core::Rng;
use go_text_template::{FunctionError, Purity, Scope, Type, Value};

use super::arguments::{Answer, int, string, tape};
use super::encoding::encode_base64;
use super::entry::Entry;
use super::strings::bounded;

const COUNT: &[Type] = &[Type::Int];

/// Random functions.
pub(super) const ENTRIES: &[Entry] = &[
    Entry::new(
        "randAlphaNum",
        COUNT,
        |scope, args| {
            characters(scope, "randAlphaNum", int(args, 0)?, |letter| {
                letter.is_ascii_alphanumeric()
            })
        },
        "So many random letters and digits.",
    )
    .purity(Purity::Random),
    Entry::new(
        "randAlpha",
        COUNT,
        |scope, args| {
            characters(scope, "randAlpha", int(args, 0)?, |letter| {
                letter.is_ascii_alphabetic()
            })
        },
        "So many random letters.",
    )
    .purity(Purity::Random),
    Entry::new(
        "randNumeric",
        COUNT,
        |scope, args| {
            characters(scope, "randNumeric", int(args, 0)?, |letter| {
                letter.is_ascii_digit()
            })
        },
        "So many random digits.",
    )
    .purity(Purity::Random),
    Entry::new(
        "randAscii",
        COUNT,
        |scope, args| {
            characters(scope, "randAscii", int(args, 0)?, |letter| {
                (b' '..0x7f).contains(&letter)
            })
        },
        "So many random printable ASCII characters.",
    )
    .purity(Purity::Random),
    Entry::new(
        "randBytes",
        COUNT,
        |scope, args| {
            let count = usize::try_from(int(args, 0)?)
                .map_err(|_| "runtime error: makeslice: len out of range")?;
            bounded(count)?;
            let mut bytes = vec![0; count];
            draw(scope, "randBytes")?.fill_bytes(&mut bytes);
            Ok(encode_base64(&bytes).into())
        },
        "So many random bytes in base64.",
    )
    .purity(Purity::Random),
    Entry::new(
        "randInt",
        &[Type::Int, Type::Int],
        |scope, args| {
            let (low, high) = (int(args, 0)?, int(args, 1)?);
            let span = high.wrapping_sub(low);
            if span <= 0 {
                return Err("invalid argument to Intn".into());
            }
            let offset = below(&mut draw(scope, "randInt")?, span as u64);
            Ok(Value::Int(low.wrapping_add(offset as i64)))
        },
        "A random integer from the first to before the second.",
    )
    .purity(Purity::Random),
    Entry::new(
        "shuffle",
        &[Type::String],
        |scope, args| {
            let mut letters: Vec<char> = string(args, 0)?.chars().collect();
            let mut source = draw(scope, "shuffle")?;
            for last in (1..letters.len()).rev() {
                letters.swap(last, below(&mut source, last as u64 + 1) as usize);
            }
            Ok(letters.into_iter().collect::<String>().into())
        },
        "The characters of the text in random order.",
    )
    .purity(Purity::Random),
    Entry::new(
        "uuidv4",
        &[],
        |scope, _| Ok(uuid(&mut draw(scope, "uuidv4")?).into()),
        "A random UUID.",
    )
    .purity(Purity::Random),
];

/// The random stream of this call.
pub(super) fn draw(
    scope: &mut Scope<'_>,
    function: &'static str,
) -> Result<ChaCha20Rng, FunctionError> {
    let template = scope.template_name().to_owned();
    Ok(tape(scope)?.draw(&template, function))
}

/// A number below `limit`, each equally likely.
fn below(source: &mut ChaCha20Rng, limit: u64) -> u64 {
    let fair = u64::MAX - u64::MAX % limit;
    loop {
        let number = source.next_u64();
        if number < fair {
            return number % limit;
        }
    }
}

fn characters(
    scope: &mut Scope<'_>,
    function: &'static str,
    count: i64,
    allowed: fn(u8) -> bool,
) -> Answer {
    // A negative count is an error that sprig drops.
    let count = usize::try_from(count).unwrap_or(0);
    bounded(count)?;
    let alphabet: Vec<u8> = (0..=0x7f).filter(|letter| allowed(*letter)).collect();
    let mut source = draw(scope, function)?;
    let text: String = (0..count)
        .map(|_| char::from(alphabet[below(&mut source, alphabet.len() as u64) as usize]))
        .collect();
    Ok(text.into())
}

fn uuid(source: &mut ChaCha20Rng) -> String {
    let mut bytes = [0; 16];
    source.fill_bytes(&mut bytes);
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex = data_encoding::HEXLOWER.encode(&bytes);
    [
        &hex[..8],
        &hex[8..12],
        &hex[12..16],
        &hex[16..20],
        &hex[20..],
    ]
    .join("-")
}

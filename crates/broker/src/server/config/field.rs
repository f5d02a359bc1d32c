//! From values of keys to the fields of settings, and back.

use std::path::PathBuf;
use std::time::Duration;

use super::value::Value;

/// A field that a key sets.
pub(super) trait Field: Sized {
    /// The field that a value stands for.
    fn read(value: Value) -> Result<Self, String>;

    /// The value that stands for the field.
    fn write(&self) -> Value;
}

const WRONG_KIND: &str = "the kind of the key does not fit its field";

impl Field for bool {
    fn read(value: Value) -> Result<Self, String> {
        match value {
            Value::Flag(flag) => Ok(flag),
            _ => Err(WRONG_KIND.to_owned()),
        }
    }

    fn write(&self) -> Value {
        Value::Flag(*self)
    }
}

macro_rules! number {
    ($($type:ty),*) => {$(
        impl Field for $type {
            fn read(value: Value) -> Result<Self, String> {
                match value {
                    Value::Number(number) => number
                        .try_into()
                        .map_err(|_| format!("{number} is more than {}", <$type>::MAX)),
                    _ => Err("a value is needed".to_owned()),
                }
            }

            fn write(&self) -> Value {
                Value::Number(*self as u64)
            }
        }
    )*};
}

number!(u16, u32, usize);

impl Field for Duration {
    fn read(value: Value) -> Result<Self, String> {
        match value {
            Value::Number(milliseconds) => Ok(Duration::from_millis(milliseconds)),
            _ => Err("a value is needed".to_owned()),
        }
    }

    fn write(&self) -> Value {
        Value::Number(u64::try_from(self.as_millis()).unwrap_or(u64::MAX))
    }
}

impl Field for String {
    fn read(value: Value) -> Result<Self, String> {
        match value {
            Value::Text(text) => Ok(text),
            _ => Err(WRONG_KIND.to_owned()),
        }
    }

    fn write(&self) -> Value {
        Value::Text(self.clone())
    }
}

impl Field for PathBuf {
    fn read(value: Value) -> Result<Self, String> {
        String::read(value).map(PathBuf::from)
    }

    fn write(&self) -> Value {
        Value::Text(self.display().to_string())
    }
}

impl<F: Field> Field for Option<F> {
    fn read(value: Value) -> Result<Self, String> {
        match value {
            Value::Nothing => Ok(None),
            value => F::read(value).map(Some),
        }
    }

    fn write(&self) -> Value {
        self.as_ref().map_or(Value::Nothing, Field::write)
    }
}

impl Field for Vec<String> {
    fn read(value: Value) -> Result<Self, String> {
        match value {
            Value::List(list) => Ok(list),
            _ => Err(WRONG_KIND.to_owned()),
        }
    }

    fn write(&self) -> Value {
        Value::List(self.clone())
    }
}

/// A field that is one of some words: `choice!(Durability { Fsync = "fsync", … })`. Gives the type
/// its `WORDS`, in that order.
macro_rules! choice {
    ($type:ty { $($variant:ident = $word:literal),* $(,)? }) => {
        impl $type {
            pub(super) const WORDS: &'static [&'static str] = &[$($word),*];

            /// As it is written.
            pub(super) fn word(self) -> &'static str {
                match self {
                    $(<$type>::$variant => $word,)*
                }
            }
        }

        impl $crate::server::config::field::Field for $type {
            fn read(value: $crate::server::config::value::Value) -> Result<Self, String> {
                let word = String::read(value)?;
                match word.as_str() {
                    $($word => Ok(<$type>::$variant),)*
                    _ => Err(format!("`{word}` is not one of {}", Self::WORDS.join(", "))),
                }
            }

            fn write(&self) -> $crate::server::config::value::Value {
                $crate::server::config::value::Value::Text(self.word().to_owned())
            }
        }
    };
}

pub(super) use choice;

//! Enums that a rule document writes as words. Each is declared once, with its words and the
//! fields that hold it; the reader, the writer, error texts and the test of the schema use that.

/// An enum that a rule document writes as one of a few words.
pub trait Words: Copy + PartialEq + 'static {
    /// Every word with its value, in the contract's order.
    const WORDS: &'static [(&'static str, Self)];
    /// The paths of the fields that hold it, as `issuance.on`.
    const FIELDS: &'static [&'static str];

    fn word(self) -> &'static str;
}

/// Declares an enum together with its words.
macro_rules! words {
    (
        $(#[$meta:meta])*
        pub enum $name:ident in [$($field:literal),+ $(,)?] {
            $($(#[$on:meta])* $variant:ident = $word:literal,)+
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name {
            $($(#[$on])* $variant,)+
        }

        impl $crate::domain::rules::model::Words for $name {
            const WORDS: &'static [(&'static str, Self)] = &[$(($word, $name::$variant),)+];
            const FIELDS: &'static [&'static str] = &[$($field),+];

            fn word(self) -> &'static str {
                match self {
                    $($name::$variant => $word,)+
                }
            }
        }
    };
}

pub(super) use words;

/// The words of each field that holds one of a few, by the field's path.
pub fn vocabulary() -> Vec<(&'static str, Vec<&'static str>)> {
    use super::*;
    fn words_of<T>(words: &[(&'static str, T)]) -> Vec<&'static str> {
        words.iter().map(|(word, _)| *word).collect()
    }
    fn fields<T: Words>() -> impl Iterator<Item = (&'static str, Vec<&'static str>)> {
        T::FIELDS.iter().map(|field| (*field, words_of(T::WORDS)))
    }
    fields::<OnDisable>()
        .chain(fields::<NotWhen>())
        .chain(fields::<Rounding>())
        .chain(fields::<Trigger>())
        .chain(fields::<WhileResting>())
        .chain(fields::<ExpiryBind>())
        .chain(fields::<RoundUpTo>())
        .chain(fields::<Extent>())
        .chain(fields::<WhenShort>())
        .chain(fields::<BirthdayOn>())
        .chain(fields::<DayOfWeek>())
        .chain(fields::<BirthdaySpan>())
        .chain(fields::<LimitPeriod>())
        .chain(fields::<ToldTier>())
        .chain(fields::<OnRefund>())
        .chain(fields::<OnExpiry>())
        .chain(fields::<RenewWhen>())
        .chain(fields::<RenewOver>())
        .chain(fields::<Effective>())
        .chain([
            ("reversal.after_issue.edit", words_of(Reversal::EDIT_WORDS)),
            ("reversal.redeemed", words_of(Reversal::REDEEMED_WORDS)),
        ])
        .collect()
}

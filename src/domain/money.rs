//! Exact amounts: fractions of whole numbers, and what points a base amount earns.
//!
//! Amounts have at most [`DIGITS_MAX`] digits, so sums and products of a few of them are exact.
//! Beyond what 128 bits hold the last digits are given up; nothing panics.

use std::cmp::Ordering;

use rust_decimal::Decimal;

use super::rules::model::{Earning, Rounding};

/// Digits of an amount, before and after the point.
pub const DIGITS_MAX: u32 = 18;
/// Digits of an amount after the point.
pub const SCALE_MAX: u32 = 9;
/// Bits of the whole number in a [`Decimal`].
const DECIMAL_BITS: u32 = 96;

/// A decimal string as money: digits with at most one point, with or without a sign.
pub fn parse_amount(text: &str) -> Result<Decimal, &'static str> {
    const WRONG: &str = "is not a decimal number";
    let digits = text.strip_prefix('-').unwrap_or(text).as_bytes();
    let (mut units, mut count, mut point) = (0i64, 0, None);
    for (at, byte) in digits.iter().enumerate() {
        match byte {
            b'0'..=b'9' => {
                // Too many of them are refused below.
                units = units.wrapping_mul(10).wrapping_add(i64::from(byte - b'0'));
                count += 1;
            }
            b'.' if point.is_none() && at > 0 && at + 1 < digits.len() => point = Some(at),
            _ => return Err(WRONG),
        }
    }
    if count == 0 {
        return Err(WRONG);
    }
    if count > DIGITS_MAX {
        return Err("has more than 18 digits");
    }
    let scale = point.map_or(0, |at| (digits.len() - at - 1) as u32);
    if scale > SCALE_MAX {
        return Err("has more than 9 digits after the point");
    }
    Ok(Decimal::new(
        if text.starts_with('-') { -units } else { units },
        scale,
    ))
}

/// What a base amount earns. Never negative.
pub fn earn(earning: &Earning, base: Ratio) -> i64 {
    match *earning {
        Earning::Rate {
            every,
            points,
            rounding,
        } => {
            let units = base.over(Ratio::from(every));
            match rounding {
                Rounding::PerUnit => saturating(units.floor().saturating_mul(i128::from(points))),
                rounding => round(units.times(Ratio::whole(points)), rounding),
            }
        }
        Earning::ThresholdPoints {
            at_least,
            points,
            cumulative,
        } => {
            let at_least = Ratio::from(at_least);
            match (base >= at_least, cumulative) {
                (false, _) => 0,
                (true, false) => points.max(0),
                (true, true) => saturating(base.over(at_least).floor().saturating_mul(i128::from(points))),
            }
        }
        Earning::ThresholdPercent {
            at_least,
            percent,
            rounding,
        } => {
            if base < Ratio::from(at_least) {
                return 0;
            }
            round(base.times(Ratio::from(percent)).over(Ratio::whole(100)), rounding)
        }
    }
}

fn round(points: Ratio, rounding: Rounding) -> i64 {
    saturating(match rounding {
        Rounding::PerUnit | Rounding::Down => points.floor(),
        Rounding::HalfUp => points.plus(Ratio::new(1, 2)).floor(),
        Rounding::Up => points.ceil(),
    })
}

fn saturating(points: i128) -> i64 {
    i64::try_from(points.max(0)).unwrap_or(i64::MAX)
}

/// A fraction of whole numbers, its denominator positive.
#[derive(Clone, Copy, Debug)]
pub struct Ratio {
    num: i128,
    den: i128,
}

impl Ratio {
    pub const ZERO: Ratio = Ratio { num: 0, den: 1 };
    pub const ONE: Ratio = Ratio { num: 1, den: 1 };

    /// `num / den`; 0 where `den` is 0.
    pub fn new(num: i128, den: i128) -> Self {
        match den.cmp(&0) {
            Ordering::Greater => Ratio { num, den },
            Ordering::Equal => Ratio::ZERO,
            Ordering::Less => Ratio {
                num: num.saturating_neg(),
                den: den.saturating_neg(),
            },
        }
    }

    pub fn whole(number: i64) -> Self {
        Ratio {
            num: i128::from(number),
            den: 1,
        }
    }

    pub fn plus(self, other: Ratio) -> Ratio {
        let sum = |a: Ratio, b: Ratio| {
            if a.den == b.den {
                return Some(Ratio {
                    num: a.num.checked_add(b.num)?,
                    den: a.den,
                });
            }
            let num = a.num.checked_mul(b.den)?.checked_add(b.num.checked_mul(a.den)?)?;
            Some(Ratio {
                num,
                den: a.den.checked_mul(b.den)?,
            })
        };
        checked_or_rounded(self, other, sum)
    }

    pub fn minus(self, other: Ratio) -> Ratio {
        self.plus(Ratio {
            num: other.num.saturating_neg(),
            den: other.den,
        })
    }

    pub fn times(self, other: Ratio) -> Ratio {
        let product = |a: Ratio, b: Ratio| {
            Some(Ratio {
                num: a.num.checked_mul(b.num)?,
                den: a.den.checked_mul(b.den)?,
            })
        };
        checked_or_rounded(self, other, product)
    }

    /// The quotient; 0 where `other` is 0.
    pub fn over(self, other: Ratio) -> Ratio {
        if other.num == 0 {
            return Ratio::ZERO;
        }
        self.times(Ratio::new(other.den, other.num))
    }

    pub fn floor(self) -> i128 {
        self.num.div_euclid(self.den)
    }

    pub fn ceil(self) -> i128 {
        self.floor() + i128::from(self.num.rem_euclid(self.den) != 0)
    }

    pub fn is_positive(self) -> bool {
        self.num > 0
    }

    /// With `scale` digits after the point, half to even.
    pub fn to_decimal(self, scale: u32) -> Decimal {
        let scaled = self.times(Ratio {
            num: 10i128.pow(scale.min(SCALE_MAX)),
            den: 1,
        });
        let (floor, rest) = (scaled.floor(), scaled.num.rem_euclid(scaled.den));
        let up = match rest.cmp(&(scaled.den - rest)) {
            Ordering::Less => 0,
            Ordering::Equal => floor.rem_euclid(2),
            Ordering::Greater => 1,
        };
        let units = floor.saturating_add(up);
        Decimal::try_from_i128_with_scale(units, scale.min(SCALE_MAX)).unwrap_or(Decimal::MAX)
    }

    /// With `scale` digits after the point, down.
    pub fn to_decimal_down(self, scale: u32) -> Decimal {
        let scale = scale.min(SCALE_MAX);
        let scaled = self.times(Ratio {
            num: 10i128.pow(scale),
            den: 1,
        });
        Decimal::try_from_i128_with_scale(scaled.floor(), scale).unwrap_or(Decimal::MAX)
    }

    /// Numerator and denominator, reduced, each as a whole decimal.
    pub fn to_parts(self) -> (Decimal, Decimal) {
        let mut part = self.reduced();
        while part.num.unsigned_abs() >> DECIMAL_BITS != 0 || part.den.unsigned_abs() >> DECIMAL_BITS != 0 {
            part = part.halve_precision();
        }
        let whole = |number| Decimal::try_from_i128_with_scale(number, 0).unwrap_or(Decimal::MAX);
        (whole(part.num), whole(part.den))
    }

    fn reduced(self) -> Ratio {
        let divisor = gcd(self.num.unsigned_abs(), self.den.unsigned_abs()).max(1);
        let divisor = i128::try_from(divisor).unwrap_or(1);
        Ratio {
            num: self.num / divisor,
            den: self.den / divisor,
        }
    }

    /// Nearly the same, with one bit less on both sides.
    fn halve_precision(self) -> Ratio {
        Ratio {
            num: self.num / 2,
            den: (self.den / 2).max(1),
        }
    }
}

impl From<Decimal> for Ratio {
    fn from(amount: Decimal) -> Self {
        Ratio {
            num: amount.mantissa(),
            den: 10i128.pow(amount.scale()),
        }
    }
}

impl PartialEq for Ratio {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Ratio {}

impl PartialOrd for Ratio {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Ratio {
    fn cmp(&self, other: &Self) -> Ordering {
        self.minus(*other).num.cmp(&0)
    }
}

/// Exact while it fits 128 bits, otherwise rounded to what does.
fn checked_or_rounded(a: Ratio, b: Ratio, what: impl Fn(Ratio, Ratio) -> Option<Ratio>) -> Ratio {
    if let Some(exact) = what(a, b) {
        return exact;
    }
    let (mut a, mut b) = (a.reduced(), b.reduced());
    loop {
        if let Some(done) = what(a, b) {
            return done;
        }
        if a.den == 1 && b.den == 1 {
            let negative = (a.num < 0) != (b.num < 0);
            return Ratio {
                num: if negative { -(i128::MAX / 4) } else { i128::MAX / 4 },
                den: 1,
            };
        }
        if a.den >= b.den {
            a = a.halve_precision()
        } else {
            b = b.halve_precision()
        }
    }
}

fn gcd(mut a: u128, mut b: u128) -> u128 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

#[cfg(test)]
mod tests {
    use super::*;

    fn amount(text: &str) -> Decimal {
        parse_amount(text).unwrap()
    }

    fn rate(every: &str, points: i64, rounding: Rounding) -> Earning {
        Earning::Rate {
            every: amount(every),
            points,
            rounding,
        }
    }

    #[test]
    fn amounts_are_read_checked_or_rounded() {
        let check = |text: &str, wanted: Result<&str, &'static str>| {
            assert_eq!(
                parse_amount(text).map(|a| a.to_string()),
                wanted.map(String::from),
                "{text}"
            );
        };
        check("30.98", Ok("30.98"));
        check("100", Ok("100"));
        check("-0.50", Ok("-0.50"));
        check("0", Ok("0"));
        check("123456789012345678", Ok("123456789012345678"));
        check("-99999999999.9999999", Ok("-99999999999.9999999"));
        check("9999999999999999999", Err("has more than 18 digits"));
        check("0.1234567890", Err("has more than 9 digits after the point"));
        for bad in ["", ".", "1.", ".5", "1e3", "+1", "1,000", " 1", "0x1", "--1", "٣"] {
            check(bad, Err("is not a decimal number"));
        }
    }

    #[test]
    fn bases_earn() {
        let check = |earning: Earning, base: &str, points: i64| {
            assert_eq!(
                earn(&earning, Ratio::from(amount(base))),
                points,
                "{earning:?} {base}"
            );
        };
        check(rate("100", 10, Rounding::PerUnit), "1000", 100);
        check(rate("100", 10, Rounding::PerUnit), "999", 90);
        check(rate("100", 2, Rounding::PerUnit), "230", 4);
        check(rate("100", 2, Rounding::Down), "230", 4);
        check(rate("100", 2, Rounding::HalfUp), "230", 5);
        check(rate("100", 2, Rounding::HalfUp), "225", 5);
        check(rate("100", 2, Rounding::HalfUp), "224.99", 4);
        check(rate("100", 2, Rounding::Up), "230", 5);
        check(rate("100", 2, Rounding::Up), "200.00", 4);
        check(rate("1", 100, Rounding::Down), "30.98", 3098);
        check(
            rate("0.01", i64::MAX, Rounding::Down),
            "999999999999999999",
            i64::MAX,
        );
        check(
            rate("0.000000001", i64::MAX, Rounding::PerUnit),
            "999999999999999999",
            i64::MAX,
        );
        let threshold = |cumulative| Earning::ThresholdPoints {
            at_least: amount("1000"),
            points: 100,
            cumulative,
        };
        check(threshold(true), "999.99", 0);
        check(threshold(true), "3000", 300);
        check(threshold(false), "3000", 100);
        let percent = |rounding| Earning::ThresholdPercent {
            at_least: amount("1000"),
            percent: amount("10"),
            rounding,
        };
        check(percent(Rounding::Down), "1000", 100);
        check(percent(Rounding::Down), "999", 0);
        check(percent(Rounding::Down), "1009", 100);
        check(percent(Rounding::HalfUp), "1005", 101);
        check(percent(Rounding::Up), "1001", 101);
    }

    #[test]
    fn decimals_are_rounded_half_to_even() {
        let check = |num, den, scale, wanted: &str| {
            assert_eq!(
                Ratio::new(num, den).to_decimal(scale).to_string(),
                wanted,
                "{num}/{den}"
            );
        };
        check(5, 2, 0, "2");
        check(7, 2, 0, "4");
        check(2, 3, 2, "0.67");
        check(1, 1, 2, "1.00");
        check(125, 1000, 2, "0.12");
        check(135, 1000, 2, "0.14");
    }

    #[test]
    fn too_large_is_not_a_panic() {
        let huge = Ratio::new(i128::MAX, 3);
        let tiny = Ratio::new(1, i128::MAX);
        for (a, b) in [(huge, huge), (huge, tiny), (tiny, tiny)] {
            let _ = (a.plus(b), a.minus(b), a.times(b), a.over(b), a.cmp(&b));
            a.times(b).to_parts();
            a.over(b).to_decimal(9);
        }
        assert_eq!(Ratio::ONE.over(Ratio::ZERO), Ratio::ZERO);
    }
}

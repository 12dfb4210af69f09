//! How many points a bonus gives for its part of the goods.

use rust_decimal::Decimal;

use super::goods::Part;
use super::{Given, NotGiven, Sale};
use crate::domain::money::{self, Ratio};
use crate::domain::rules::model::{Bonus, Earning, Gives, Items};

/// What a bonus gives for this part of the goods, or why nothing.
pub fn give(sale: &Sale<'_>, bonus: &Bonus, part: Part) -> Result<Given, NotGiven> {
    if sale.goods.whole().is_back {
        return Err(NotGiven::CameBack);
    }
    if let Some(items) = &bonus.items {
        enough(items, part)?;
    }
    let points = match bonus.gives {
        Gives::Multiplier(multiplier) => {
            let general = sale.general_earning().ok_or(NotGiven::BelowGeneralMinimum)?;
            let once = money::earn(general, part.left);
            times_down(once, Ratio::from(multiplier).minus(Ratio::ONE))
        }
        Gives::Rate {
            every,
            points,
            rounding,
        } => money::earn(
            &Earning::Rate {
                every,
                points,
                rounding,
            },
            part.left,
        ),
        Gives::Points(points) => points,
        Gives::PointsEach(points) => times_down(points, Ratio::whole(units(part.units))),
    };
    if points == 0 && !bonus.instead {
        return Err(NotGiven::TooLittle);
    }
    Ok(Given {
        points,
        whole: points,
        amount: part.left,
        scale: part.scale,
    })
}

/// Whether there are as many goods as `items` asks for.
fn enough(items: &Items, part: Part) -> Result<(), NotGiven> {
    if part.is_empty {
        return Err(NotGiven::NoGoods);
    }
    if part.is_back {
        return Err(NotGiven::CameBack);
    }
    let below = |least: Option<Decimal>, of: Ratio| least.is_some_and(|least| of < Ratio::from(least));
    if below(items.min_quantity, part.units) {
        return Err(NotGiven::BelowMinQuantity);
    }
    match below(items.min_amount, part.left) {
        true => Err(NotGiven::BelowMinAmount),
        false => Ok(()),
    }
}

/// Whole units.
fn units(units: Ratio) -> i64 {
    i64::try_from(units.floor()).unwrap_or(i64::MAX)
}

fn times_down(points: i64, factor: Ratio) -> i64 {
    let product = Ratio::whole(points).times(factor).floor();
    i64::try_from(product.max(0)).unwrap_or(i64::MAX)
}

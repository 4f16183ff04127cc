//! Made-up goods: general names of food in four languages, packs, and prices that nobody asked anywhere. The GTINs are of the range
//! that GS1 leaves to shops for their own use (prefix 2), so they name nothing in the world outside.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::clock::Timestamp;
use crate::id::{Gtin, IdError, PromotionId, Sku, check_digit};
use crate::language::{Language, Localized};
use crate::money::Money;
use crate::shop::NewProduct;

use super::model::{Beyond, Promotion, Reduction};

/// VAT on food, in basis points.
const FOOD_VAT: i64 = 1350;
/// VAT on everything else.
const GENERAL_VAT: i64 = 2550;
/// Units of each thing at the beginning.
const STOCK: i64 = 10_000;

/// A kind of food: code, category, names in English, Finnish, Swedish and Russian, cents per kilogram, whether it must stay cold.
type Food = (&'static str, &'static str, [&'static str; 4], i64, bool);

const FOODS: &[Food] = &[
    ("CHEESE-HARD", "cheese", ["Hard cheese", "Kova juusto", "Hårdost", "Твёрдый сыр"], 1490, true),
    (
        "CHEESE-AGED",
        "cheese",
        [
            "Hard cheese, aged 24 months",
            "Kypsytetty kova juusto, 24 kk",
            "Lagrad hårdost, 24 mån.",
            "Выдержанный сыр, 24 мес.",
        ],
        2890,
        true,
    ),
    ("CHEESE-BLUE", "cheese", ["Blue cheese", "Sinihomejuusto", "Blåmögelost", "Голубой сыр"], 1990, true),
    (
        "CHEESE-WHITE",
        "cheese",
        ["White-mould cheese", "Valkohomejuusto", "Vitmögelost", "Сыр с белой плесенью"],
        2190,
        true,
    ),
    ("CHEESE-GOAT", "cheese", ["Goat cheese", "Vuohenjuusto", "Getost", "Козий сыр"], 2390, true),
    (
        "CHEESE-SHEEP",
        "cheese",
        ["Sheep cheese in brine", "Lampaanjuusto suolavedessä", "Fårost i saltlake", "Овечий сыр в рассоле"],
        1690,
        true,
    ),
    (
        "CHEESE-FRESH",
        "cheese",
        ["Fresh cheese in whey", "Tuorejuusto herassa", "Färskost i vassle", "Свежий сыр в сыворотке"],
        1290,
        true,
    ),
    ("CHEESE-CREAM", "cheese", ["Cream cheese", "Kermajuusto", "Gräddost", "Сливочный сыр"], 1190, true),
    ("CHEESE-SMOKED", "cheese", ["Smoked cheese", "Savujuusto", "Rökt ost", "Копчёный сыр"], 1590, true),
    ("BUTTER", "dairy", ["Butter", "Voi", "Smör", "Сливочное масло"], 990, true),
    ("YOGHURT", "dairy", ["Strained yoghurt", "Valutettu jogurtti", "Avrunnen yoghurt", "Густой йогурт"], 590, true),
    ("CREAM", "dairy", ["Whipping cream", "Vispikerma", "Vispgrädde", "Сливки для взбивания"], 690, true),
    (
        "HAM-DRY",
        "meat",
        ["Dry-cured ham", "Ilmakuivattu kinkku", "Lufttorkad skinka", "Сыровяленый окорок"],
        3490,
        true,
    ),
    ("HAM-COOKED", "meat", ["Cooked ham", "Keittokinkku", "Kokt skinka", "Варёная ветчина"], 1490, true),
    ("HAM-SMOKED", "meat", ["Smoked ham", "Savukinkku", "Rökt skinka", "Копчёный окорок"], 1690, true),
    ("SAUSAGE-DRY", "meat", ["Dry sausage", "Kestomakkara", "Torkad korv", "Сыровяленая колбаса"], 2290, true),
    ("BEEF", "meat", ["Beef sirloin", "Naudan ulkofilee", "Ryggbiff", "Говяжья вырезка"], 3290, true),
    ("LAMB", "meat", ["Leg of lamb", "Lampaanpaisti", "Lammstek", "Баранья нога"], 2490, true),
    ("DUCK", "meat", ["Duck breast", "Ankanrinta", "Ankbröst", "Утиная грудка"], 2790, true),
    ("SALMON", "fish", ["Salmon fillet", "Lohifilee", "Laxfilé", "Филе лосося"], 2690, true),
    (
        "SALMON-SMOKED",
        "fish",
        ["Cold-smoked salmon", "Kylmäsavulohi", "Kallrökt lax", "Лосось холодного копчения"],
        3990,
        true,
    ),
    ("TROUT", "fish", ["Trout, salted", "Graavikirjolohi", "Gravad regnbåge", "Слабосолёная форель"], 2990, true),
    ("HERRING", "fish", ["Herring in brine", "Silli suolaliemessä", "Sill i lag", "Сельдь в рассоле"], 1290, true),
    (
        "SHRIMP",
        "fish",
        ["Shrimps in brine", "Katkaravut suolaliemessä", "Räkor i lag", "Креветки в рассоле"],
        2190,
        true,
    ),
    ("MUSSELS", "fish", ["Mussels", "Sinisimpukat", "Blåmusslor", "Мидии"], 1190, true),
    ("OYSTERS", "fish", ["Oysters", "Osterit", "Ostron", "Устрицы"], 3190, true),
    ("APPLE", "fruit", ["Apples", "Omenat", "Äpplen", "Яблоки"], 290, false),
    ("PEAR", "fruit", ["Pears", "Päärynät", "Päron", "Груши"], 390, false),
    ("PEACH", "fruit", ["Peaches", "Persikat", "Persikor", "Персики"], 490, false),
    ("NECTARINE", "fruit", ["Nectarines", "Nektariinit", "Nektariner", "Нектарины"], 490, false),
    ("PLUM", "fruit", ["Plums", "Luumut", "Plommon", "Сливы"], 450, false),
    ("CHERRY", "fruit", ["Cherries", "Kirsikat", "Körsbär", "Черешня"], 990, false),
    ("STRAWBERRY", "fruit", ["Strawberries", "Mansikat", "Jordgubbar", "Клубника"], 1190, true),
    ("GRAPE", "fruit", ["Grapes", "Viinirypäleet", "Vindruvor", "Виноград"], 590, false),
    ("KIWI", "fruit", ["Kiwi fruit", "Kiivit", "Kiwi", "Киви"], 490, false),
    ("TOMATO", "vegetables", ["Tomatoes", "Tomaatit", "Tomater", "Помидоры"], 390, false),
    ("CUCUMBER", "vegetables", ["Cucumbers", "Kurkut", "Gurkor", "Огурцы"], 290, false),
    ("PEPPER", "vegetables", ["Sweet peppers", "Paprikat", "Paprika", "Сладкий перец"], 490, false),
    ("MUSHROOM", "vegetables", ["Champignons", "Herkkusienet", "Champinjoner", "Шампиньоны"], 690, true),
    ("CABBAGE", "vegetables", ["Cabbage", "Kaali", "Kål", "Капуста"], 190, false),
    ("CARROT", "vegetables", ["Carrots", "Porkkanat", "Morötter", "Морковь"], 150, false),
    ("ALMOND", "nuts", ["Almonds", "Mantelit", "Mandlar", "Миндаль"], 1590, false),
    ("WALNUT", "nuts", ["Walnuts", "Saksanpähkinät", "Valnötter", "Грецкие орехи"], 1690, false),
    ("HAZELNUT", "nuts", ["Hazelnuts", "Hasselpähkinät", "Hasselnötter", "Фундук"], 1790, false),
    ("PISTACHIO", "nuts", ["Pistachios", "Pistaasit", "Pistaschmandlar", "Фисташки"], 2190, false),
    ("SALT", "pantry", ["Sea salt", "Merisuola", "Havssalt", "Морская соль"], 190, false),
    ("OLIVES", "pantry", ["Green olives", "Vihreät oliivit", "Gröna oliver", "Зелёные оливки"], 990, false),
];

/// Packs of food: code, grams, names.
const PACKS: [(&str, i64, &str); 3] = [("S", 200, "200 g"), ("M", 500, "500 g"), ("L", 1000, "1 kg")];

/// Things that the furniture shop sells as well, at prices of its own, under the same GTINs: code, names, cents, grams, ml.
const SHARED: [(&str, [&str; 4], i64, i64, i64); 9] = [
    (
        "CANDLES",
        ["Block candles, 3 pcs", "Pöytäkynttilät, 3 kpl", "Blockljus, 3 st.", "Свечи столбики, 3 шт."],
        849,
        900,
        1800,
    ),
    (
        "NAPKINS",
        ["Paper napkins, 50 pcs", "Lautasliinat, 50 kpl", "Servetter, 50 st.", "Бумажные салфетки, 50 шт."],
        249,
        300,
        1700,
    ),
    ("BASKET", ["Storage basket", "Säilytyskori", "Förvaringskorg", "Корзина для хранения"], 1390, 600, 14_000),
    (
        "TEALIGHTS",
        ["Tea lights, 50 pcs", "Lämpökynttilät, 50 kpl", "Värmeljus, 50 st.", "Чайные свечи, 50 шт."],
        499,
        800,
        1800,
    ),
    (
        "JAR",
        ["Glass jar with lid", "Kannellinen lasipurkki", "Glasburk med lock", "Стеклянная банка с крышкой"],
        379,
        650,
        1600,
    ),
    (
        "BOX",
        ["Food boxes, 5 pcs", "Säilytysrasiat, 5 kpl", "Matlådor, 5 st.", "Контейнеры для еды, 5 шт."],
        749,
        480,
        4300,
    ),
    (
        "TOWEL",
        ["Tea towels, 4 pcs", "Keittiöpyyhkeet, 4 kpl", "Kökshanddukar, 4 st.", "Кухонные полотенца, 4 шт."],
        649,
        320,
        1800,
    ),
    ("BULB", ["LED bulb E27", "LED-lamppu E27", "LED-lampa E27", "Лампа LED E27"], 329, 90, 400),
    ("BRUSH", ["Dish brush", "Tiskiharja", "Diskborste", "Щётка для посуды"], 199, 60, 300),
];

const MADE_UP: [&str; 4] = [
    "Made up for trying things out.",
    "Keksitty kokeilua varten.",
    "Påhittat för att prova.",
    "Вымышленный товар для пробы.",
];

fn localized([en, fi, sv, ru]: &[&str; 4]) -> Localized {
    Localized::from([(Language::En, *en), (Language::Fi, fi), (Language::Sv, sv), (Language::Ru, ru)])
}

/// The GTIN of a body of twelve digits.
fn gtin(body: i64) -> Result<Gtin, IdError> {
    Gtin::parse(&format!("{body}{}", check_digit(&body.to_string())))
}

/// All goods of the seed.
///
/// # Errors
/// A code is not well formed.
pub(super) fn goods() -> Result<Vec<NewProduct>, IdError> {
    let made_up = BTreeMap::from([("synthetic".to_owned(), "true".to_owned())]);
    let description = localized(&MADE_UP);
    let mut goods = Vec::with_capacity(FOODS.len() * PACKS.len() + SHARED.len());
    for (body, (code, names, cents, weight_g, volume_ml)) in (200_000_000_001..).zip(SHARED) {
        goods.push(NewProduct {
            sku: Sku::parse(code)?,
            gtin: Some(gtin(body)?),
            name: localized(&names),
            description: description.clone(),
            category: "household".to_owned(),
            price: Money::eur(cents),
            vat_rate: GENERAL_VAT,
            weight_g,
            volume_ml,
            cold_chain: false,
            attributes: made_up.clone(),
            stock: vec![("main", STOCK)],
        });
    }
    let packs = FOODS.iter().flat_map(|food| PACKS.iter().map(move |pack| (food, pack)));
    for (body, ((code, category, names, per_kilogram, cold_chain), (pack, grams, label))) in
        (210_000_000_001..).zip(packs)
    {
        let mut name = localized(names);
        name.0.values_mut().for_each(|text| *text = format!("{text}, {label}"));
        goods.push(NewProduct {
            sku: Sku::parse(&format!("{code}-{pack}"))?,
            gtin: Some(gtin(body)?),
            name,
            description: description.clone(),
            category: (*category).to_owned(),
            // Small packs cost more for the same weight.
            price: Money::eur(per_kilogram * grams / 1000 + if *grams < 1000 { 30 } else { 0 }),
            vat_rate: FOOD_VAT,
            weight_g: *grams,
            volume_ml: grams * 3 / 2,
            cold_chain: *cold_chain,
            attributes: made_up.clone(),
            stock: vec![("main", STOCK)],
        });
    }
    Ok(goods)
}

/// A promotion of the seed: code, names, basis points off, quota, per customer.
type Offer = (&'static str, [&'static str; 4], i64, Option<i64>, Option<i64>);

/// Promotions that hold for a month from the beginning.
const PROMOTIONS: [Offer; 3] = [
    ("CHEESE-AGED-M", ["Cheese days", "Juustopäivät", "Ostdagar", "Дни сыра"], 3000, Some(1000), Some(2)),
    ("HAM-DRY-S", ["Ham of the month", "Kuukauden kinkku", "Månadens skinka", "Окорок месяца"], 2000, None, Some(5)),
    ("APPLE-L", ["Apple harvest", "Omenasato", "Äppelskörd", "Урожай яблок"], 2500, None, None),
];

/// The promotions of the seed, from now on.
///
/// # Errors
/// A code is not well formed.
pub(super) fn promotions(now: Timestamp) -> Result<Vec<Promotion>, IdError> {
    let promotion = |(code, names, off, quota, per_customer): &Offer| {
        Ok(Promotion {
            id: PromotionId::new(),
            name: localized(names),
            sku: Sku::parse(code)?,
            reduction: Reduction::Off(*off),
            starts_at: now,
            ends_at: now.after(Duration::from_secs(30 * 24 * 3600)),
            quota: *quota,
            per_customer: *per_customer,
            beyond: Beyond::ListPrice,
            used: 0,
            version: 1,
        })
    };
    PROMOTIONS.iter().map(promotion).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::{PROMOTIONS, goods, promotions};
    use crate::clock::Timestamp;

    #[test]
    fn codes_are_unique_and_internal() {
        let goods = goods().unwrap();
        assert_eq!(goods.len(), 150);
        let skus: HashSet<_> = goods.iter().map(|good| good.sku.as_str()).collect();
        let gtins: HashSet<_> = goods.iter().filter_map(|good| good.gtin.as_ref()).collect();
        assert_eq!((skus.len(), gtins.len()), (150, 150));
        assert!(gtins.iter().all(|gtin| gtin.as_str().starts_with("02")));
        assert!(goods.iter().all(|good| good.name.0.len() == 4 && good.price.minor > 0));
        assert_eq!(goods[0].gtin.as_ref().unwrap().as_str(), "02000000000015");
    }

    #[test]
    fn promotions_are_of_goods() {
        let skus: HashSet<_> = goods().unwrap().into_iter().map(|good| good.sku).collect();
        let promotions = promotions(Timestamp(0)).unwrap();
        assert_eq!(promotions.len(), PROMOTIONS.len());
        assert!(promotions.iter().all(|promotion| skus.contains(&promotion.sku)));
    }
}

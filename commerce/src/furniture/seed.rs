//! Synthetic goods: generic kinds of furniture times colours, made up for this shop; no real products, brands or prices.

use std::collections::BTreeMap;
use std::time::Duration;

use super::LOCATION;
use super::discount::Cut;
use super::limit::BULK;
use super::store::{self, DiscountView};
use crate::id::{Gtin, IdError, Sku, check_digit, new_uuid};
use crate::language::{Language, Localized};
use crate::money::Money;
use crate::shop::{self, NewProduct};
use crate::store::{Database, StoreError};

/// Finland's general VAT rate, in basis points.
const VAT: i64 = 2550;

/// A kind of furniture: code, category, names (en, fi, sv, ru), width, depth and height in mm, grams, cents, material.
struct Kind(&'static str, &'static str, [&'static str; 4], [i64; 3], i64, i64, &'static str);

/// The kinds, each sold in every colour.
const KINDS: [Kind; 40] = [
    Kind(
        "SOFA2",
        "sofas",
        ["Two-seat sofa", "Kahden istuttava sohva", "Tvåsitssoffa", "Диван двухместный"],
        [1500, 880, 820],
        38_000,
        34_900,
        "polyester",
    ),
    Kind(
        "SOFA3",
        "sofas",
        ["Three-seat sofa", "Kolmen istuttava sohva", "Tresitssoffa", "Диван трёхместный"],
        [2100, 900, 820],
        52_000,
        49_900,
        "polyester",
    ),
    Kind(
        "SOFABED",
        "sofas",
        ["Sofa bed", "Vuodesohva", "Bäddsoffa", "Диван-кровать"],
        [2000, 950, 860],
        68_000,
        59_900,
        "cotton",
    ),
    Kind(
        "CORNER",
        "sofas",
        ["Corner sofa", "Kulmasohva", "Hörnsoffa", "Угловой диван"],
        [2600, 1800, 830],
        94_000,
        99_900,
        "polyester",
    ),
    Kind(
        "ARMCHAIR",
        "chairs",
        ["Armchair", "Nojatuoli", "Fåtölj", "Кресло"],
        [760, 820, 980],
        17_000,
        19_900,
        "cotton",
    ),
    Kind(
        "ROCKER",
        "chairs",
        ["Rocking chair", "Keinutuoli", "Gungstol", "Кресло-качалка"],
        [680, 940, 1010],
        13_500,
        22_900,
        "birch",
    ),
    Kind(
        "DINECHAIR",
        "chairs",
        ["Dining chair", "Ruokapöydän tuoli", "Matstol", "Обеденный стул"],
        [450, 520, 870],
        5200,
        5900,
        "beech",
    ),
    Kind(
        "FOLDCHAIR",
        "chairs",
        ["Folding chair", "Klaffituoli", "Fällstol", "Складной стул"],
        [440, 480, 780],
        3600,
        2490,
        "steel",
    ),
    Kind(
        "OFFICECH",
        "chairs",
        ["Office chair", "Työtuoli", "Kontorsstol", "Офисное кресло"],
        [640, 640, 1120],
        15_800,
        17_900,
        "polyester",
    ),
    Kind("STOOL", "chairs", ["Stool", "Jakkara", "Pall", "Табурет"], [350, 350, 450], 2400, 1990, "birch"),
    Kind(
        "BARSTOOL",
        "chairs",
        ["Bar stool", "Baarijakkara", "Barpall", "Барный стул"],
        [420, 440, 1020],
        6100,
        6990,
        "beech",
    ),
    Kind("BENCH", "chairs", ["Bench", "Penkki", "Bänk", "Скамья"], [1200, 350, 450], 9800, 8990, "pine"),
    Kind(
        "TABLE4",
        "tables",
        ["Dining table for four", "Ruokapöytä neljälle", "Matbord för fyra", "Обеденный стол на четверых"],
        [1200, 750, 740],
        27_000,
        17_900,
        "oak",
    ),
    Kind(
        "TABLE6",
        "tables",
        ["Dining table for six", "Ruokapöytä kuudelle", "Matbord för sex", "Обеденный стол на шестерых"],
        [1800, 900, 740],
        41_000,
        29_900,
        "oak",
    ),
    Kind(
        "COFFEE",
        "tables",
        ["Coffee table", "Sohvapöytä", "Soffbord", "Журнальный столик"],
        [1000, 600, 450],
        16_000,
        9990,
        "ash",
    ),
    Kind(
        "SIDETABLE",
        "tables",
        ["Side table", "Sivupöytä", "Avlastningsbord", "Приставной столик"],
        [450, 450, 500],
        6200,
        3990,
        "birch",
    ),
    Kind(
        "DESK",
        "tables",
        ["Desk", "Kirjoituspöytä", "Skrivbord", "Письменный стол"],
        [1400, 700, 730],
        29_000,
        14_900,
        "particleboard",
    ),
    Kind(
        "STANDDESK",
        "tables",
        ["Height-adjustable desk", "Sähköpöytä", "Höj- och sänkbart skrivbord", "Стол с регулируемой высотой"],
        [1600, 800, 1200],
        46_000,
        49_900,
        "steel",
    ),
    Kind(
        "NIGHTSTAND",
        "tables",
        ["Bedside table", "Yöpöytä", "Sängbord", "Прикроватная тумба"],
        [420, 400, 550],
        9400,
        4990,
        "pine",
    ),
    Kind(
        "SHELF-W",
        "shelves",
        ["Wall shelf", "Seinähylly", "Vägghylla", "Настенная полка"],
        [800, 260, 30],
        3200,
        1990,
        "pine",
    ),
    Kind(
        "BOOKCASE",
        "shelves",
        ["Bookcase", "Kirjahylly", "Bokhylla", "Книжный шкаф"],
        [800, 300, 2020],
        36_000,
        8990,
        "particleboard",
    ),
    Kind(
        "SHELF-C",
        "shelves",
        ["Cube shelf", "Kuutiohylly", "Kubhylla", "Стеллаж из кубов"],
        [1470, 390, 1470],
        48_000,
        12_900,
        "particleboard",
    ),
    Kind(
        "SHOERACK",
        "shelves",
        ["Shoe rack", "Kenkäteline", "Skohylla", "Полка для обуви"],
        [790, 320, 400],
        5600,
        3490,
        "steel",
    ),
    Kind(
        "TVBENCH",
        "shelves",
        ["TV bench", "TV-taso", "TV-bänk", "Тумба под телевизор"],
        [1600, 400, 480],
        33_000,
        15_900,
        "particleboard",
    ),
    Kind(
        "WARDROBE",
        "storage",
        ["Wardrobe", "Vaatekaappi", "Garderob", "Платяной шкаф"],
        [1000, 600, 2010],
        78_000,
        27_900,
        "particleboard",
    ),
    Kind(
        "DRAWERS4",
        "storage",
        ["Chest of four drawers", "Lipasto, neljä laatikkoa", "Byrå med fyra lådor", "Комод с четырьмя ящиками"],
        [800, 480, 1000],
        41_000,
        12_900,
        "particleboard",
    ),
    Kind("SIDEBOARD", "storage", ["Sideboard", "Senkki", "Skänk", "Буфет"], [1600, 430, 790], 52_000, 26_900, "oak"),
    Kind(
        "CABINET",
        "storage",
        ["Glass-door cabinet", "Vitriinikaappi", "Vitrinskåp", "Шкаф-витрина"],
        [730, 370, 1630],
        34_000,
        16_900,
        "glass",
    ),
    Kind(
        "CLOTHRACK",
        "storage",
        ["Clothes rack", "Vaaterekki", "Klädställning", "Вешалка для одежды"],
        [1110, 510, 1530],
        6700,
        2990,
        "steel",
    ),
    Kind(
        "BED90",
        "beds",
        ["Bed frame 90 x 200", "Sängynrunko 90 x 200", "Sängstomme 90 x 200", "Каркас кровати 90 x 200"],
        [970, 2080, 900],
        34_000,
        14_900,
        "pine",
    ),
    Kind(
        "BED160",
        "beds",
        ["Bed frame 160 x 200", "Sängynrunko 160 x 200", "Sängstomme 160 x 200", "Каркас кровати 160 x 200"],
        [1680, 2080, 1000],
        56_000,
        24_900,
        "birch",
    ),
    Kind(
        "BUNK",
        "beds",
        ["Bunk bed", "Kerrossänky", "Våningssäng", "Двухъярусная кровать"],
        [970, 2070, 1590],
        63_000,
        27_900,
        "pine",
    ),
    Kind(
        "CRIB",
        "beds",
        ["Cot", "Pinnasänky", "Spjälsäng", "Детская кроватка"],
        [660, 1230, 850],
        19_500,
        12_900,
        "beech",
    ),
    Kind(
        "FLOORLAMP",
        "lamps",
        ["Floor lamp", "Lattiavalaisin", "Golvlampa", "Торшер"],
        [330, 330, 1580],
        5400,
        6990,
        "steel",
    ),
    Kind(
        "DESKLAMP",
        "lamps",
        ["Desk lamp", "Työvalaisin", "Arbetslampa", "Настольная лампа"],
        [180, 400, 480],
        1900,
        2990,
        "steel",
    ),
    Kind(
        "PENDANT",
        "lamps",
        ["Pendant lamp", "Riippuvalaisin", "Taklampa", "Подвесной светильник"],
        [380, 380, 300],
        1700,
        3990,
        "aluminium",
    ),
    Kind(
        "RUG",
        "textiles",
        ["Rug 160 x 230", "Matto 160 x 230", "Matta 160 x 230", "Ковёр 160 x 230"],
        [1600, 2300, 12],
        8900,
        9990,
        "wool",
    ),
    Kind(
        "CURTAIN",
        "textiles",
        ["Pair of curtains", "Verhopari", "Gardiner, ett par", "Пара штор"],
        [1450, 3, 2500],
        2100,
        3990,
        "cotton",
    ),
    Kind("CUSHION", "textiles", ["Cushion", "Koristetyyny", "Kudde", "Подушка"], [500, 500, 140], 700, 1490, "cotton"),
    Kind("MIRROR", "decoration", ["Mirror", "Peili", "Spegel", "Зеркало"], [600, 30, 1200], 9200, 5990, "glass"),
];

/// A colour: code and names (en, fi, sv, ru).
const COLOURS: [(&str, [&str; 4]); 5] = [
    ("WHITE", ["white", "valkoinen", "vit", "белый"]),
    ("BLACK", ["black", "musta", "svart", "чёрный"]),
    ("GREY", ["grey", "harmaa", "grå", "серый"]),
    ("GREEN", ["green", "vihreä", "grön", "зелёный"]),
    ("OAK", ["oak colour", "tammen värinen", "ekfärgad", "под дуб"]),
];

/// Small things that the grocery sells as well, at its own prices: the same GTINs there.
const SHARED: [Kind; 9] = [
    Kind(
        "CANDLES",
        "decoration",
        ["Block candles, 3 pcs", "Pöytäkynttilät, 3 kpl", "Blockljus, 3 st.", "Свечи столбики, 3 шт."],
        [210, 70, 120],
        900,
        799,
        "stearin",
    ),
    Kind(
        "NAPKINS",
        "decoration",
        ["Paper napkins, 50 pcs", "Lautasliinat, 50 kpl", "Servetter, 50 st.", "Бумажные салфетки, 50 шт."],
        [165, 165, 60],
        300,
        299,
        "paper",
    ),
    Kind(
        "BASKET",
        "storage",
        ["Storage basket", "Säilytyskori", "Förvaringskorg", "Корзина для хранения"],
        [320, 240, 180],
        600,
        1290,
        "willow",
    ),
    Kind(
        "TEALIGHTS",
        "decoration",
        ["Tea lights, 50 pcs", "Lämpökynttilät, 50 kpl", "Värmeljus, 50 st.", "Чайные свечи, 50 шт."],
        [200, 200, 45],
        800,
        549,
        "stearin",
    ),
    Kind(
        "JAR",
        "storage",
        ["Glass jar with lid", "Kannellinen lasipurkki", "Glasburk med lock", "Стеклянная банка с крышкой"],
        [100, 100, 160],
        650,
        399,
        "glass",
    ),
    Kind(
        "BOX",
        "storage",
        ["Food boxes, 5 pcs", "Säilytysrasiat, 5 kpl", "Matlådor, 5 st.", "Контейнеры для еды, 5 шт."],
        [230, 170, 110],
        480,
        699,
        "polypropylene",
    ),
    Kind(
        "TOWEL",
        "textiles",
        ["Tea towels, 4 pcs", "Keittiöpyyhkeet, 4 kpl", "Kökshanddukar, 4 st.", "Кухонные полотенца, 4 шт."],
        [250, 180, 40],
        320,
        599,
        "cotton",
    ),
    Kind(
        "BULB",
        "lamps",
        ["LED bulb E27", "LED-lamppu E27", "LED-lampa E27", "Лампа LED E27"],
        [60, 60, 115],
        90,
        349,
        "glass",
    ),
    Kind(
        "BRUSH",
        "decoration",
        ["Dish brush", "Tiskiharja", "Diskborste", "Щётка для посуды"],
        [60, 45, 280],
        110,
        249,
        "beech",
    ),
];

fn wrong(error: IdError) -> StoreError {
    StoreError::Value(error.to_string())
}

/// A number in the range for use within a company (prefix 2): a body of twelve digits and its check digit.
fn gtin(body: i64) -> Result<Gtin, StoreError> {
    let body = format!("{body:012}");
    Gtin::parse(&format!("{body}{}", check_digit(&body))).map_err(wrong)
}

/// A thing of a kind; `variant` is the end of its code and the names of its colour.
fn product(kind: &Kind, gtin: Gtin, variant: Option<(&str, [&str; 4])>, stock: i64) -> Result<NewProduct, StoreError> {
    let Kind(code, category, names, [width, depth, height], weight_g, price, material) = kind;
    let colour_word = ["", "väri ", "färg ", "цвет "];
    let name = |at: usize| match variant {
        Some((_, colour)) => format!("{}, {}{}", names[at], colour_word[at], colour[at]),
        None => names[at].to_owned(),
    };
    let about = [
        format!("Synthetic article. {width} x {depth} x {height} mm, {material}."),
        format!("Keksitty tuote. {width} x {depth} x {height} mm."),
        format!("Påhittad vara. {width} x {depth} x {height} mm."),
        format!("Вымышленный товар. {width} x {depth} x {height} мм."),
    ];
    let texts = |text: &dyn Fn(usize) -> String| {
        Localized(Language::ALL.into_iter().enumerate().map(|(at, language)| (language, text(at))).collect())
    };
    let mut attributes: BTreeMap<String, String> = [("width_mm", *width), ("depth_mm", *depth), ("height_mm", *height)]
        .map(|(word, number)| (word.to_owned(), number.to_string()))
        .into();
    attributes.insert("material".to_owned(), (*material).to_owned());
    if let Some((_, colour)) = variant {
        attributes.insert("colour".to_owned(), colour[0].to_owned());
    }
    let sku = variant.map_or_else(|| (*code).to_owned(), |(end, _)| format!("{code}-{end}"));
    Ok(NewProduct {
        sku: Sku::parse(&sku).map_err(wrong)?,
        gtin: Some(gtin),
        name: texts(&name),
        description: texts(&|at| about[at].clone()),
        category: (*category).to_owned(),
        price: Money::eur(*price),
        vat_rate: VAT,
        weight_g: *weight_g,
        // Packed flat, about a third of what it takes when it stands.
        volume_ml: (width * depth * height / 3000).max(1),
        cold_chain: false,
        attributes,
        stock: vec![(LOCATION, stock)],
    })
}

/// The catalogue of a new shop.
fn catalogue() -> Result<Vec<NewProduct>, StoreError> {
    let mut products = Vec::with_capacity(KINDS.len() * COLOURS.len() + SHARED.len());
    for (number, kind) in (200_000_000_001..).zip(&SHARED) {
        products.push(product(kind, gtin(number)?, None, 500)?);
    }
    let mut number = 210_000_000_000;
    for kind in &KINDS {
        for colour in COLOURS {
            number += 1;
            products.push(product(kind, gtin(number)?, Some(colour), 20 + number % 60)?);
        }
    }
    Ok(products)
}

/// Fills an empty shop. With `sale` two discounts begin at once.
pub(super) async fn fill(db: &Database, sale: bool) -> Result<(), StoreError> {
    let products = catalogue()?;
    let now = db.clock().now();
    let discount = |title: &str, cut, skus: &[&str]| -> Result<DiscountView, StoreError> {
        let skus = skus.iter().map(|sku| Sku::parse(sku).map_err(wrong)).collect::<Result<_, _>>()?;
        let ends_at = now.after(Duration::from_secs(60 * 24 * 3600));
        Ok(DiscountView { id: new_uuid(), title: title.to_owned(), cut, starts_at: now, ends_at, skus })
    };
    let sales = [
        discount("Sofa weeks", Cut::Percent(2000), &["SOFA2-GREY", "SOFA3-GREY", "SOFABED-GREY"])?,
        discount("Ten euros off", Cut::Amount(1000), &["DESKLAMP-BLACK", "FLOORLAMP-BLACK"])?,
    ];
    db.write::<(), StoreError, _>(None, move |tx| {
        Box::pin(async move {
            shop::fill(tx, &products, "seed").await?;
            for discount in sales.iter().filter(|_| sale) {
                store::insert(tx, discount).await.map_err(|error| StoreError::Value(error.to_string()))?;
            }
            Ok(())
        })
    })
    .await
}

/// Adds so many synthetic products, for measurements: set by set, a transaction each. Those that are there already stay.
///
/// # Errors
/// Storage failed.
pub(crate) async fn bulk(db: &Database, rows: i64) -> Result<(), StoreError> {
    let mut first = 0;
    while first < rows {
        let last = rows.min(first + BULK);
        let mut products = Vec::with_capacity(usize::try_from(last - first).unwrap_or(0));
        for number in first..last {
            let index = usize::try_from(number).unwrap_or(0);
            let (kind, (_, colour)) = (&KINDS[index % KINDS.len()], COLOURS[index / KINDS.len() % COLOURS.len()]);
            let end = format!("{number:08}");
            products.push(product(kind, gtin(220_000_000_000 + number)?, Some((end.as_str(), colour)), number % 100)?);
        }
        db.write::<(), StoreError, _>(None, move |tx| {
            Box::pin(async move { shop::fill(tx, &products, "bulk seed").await })
        })
        .await?;
        first = last;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::{SHARED, VAT, catalogue};
    use crate::language::Language;

    #[test]
    fn two_hundred_things_in_four_languages() {
        let products = catalogue().unwrap();
        assert_eq!(products.len(), 209);
        let skus: HashSet<_> = products.iter().map(|product| product.sku.as_str()).collect();
        let gtins: HashSet<_> = products.iter().map(|product| product.gtin.as_ref().unwrap().as_str()).collect();
        assert_eq!((skus.len(), gtins.len()), (209, 209));
        for product in &products {
            assert!(Language::ALL.iter().all(|language| product.name.0[language].len() > 3), "{product:?}");
            assert!(
                product.price.minor > 0 && product.weight_g > 0 && product.volume_ml > 0 && product.vat_rate == VAT
            );
            // In use within a company only: never a real product's.
            assert!(product.gtin.as_ref().unwrap().as_str().starts_with("02"));
        }
        assert_eq!(products[0].gtin.as_ref().unwrap().as_str(), "02000000000015");
        assert_eq!(SHARED.len(), 9);
    }
}

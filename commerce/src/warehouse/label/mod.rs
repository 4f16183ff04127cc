//! Labels of parcels: what stands on them, for a label printer (ZPL) and for any other (PDF).
//!
//! The bar code is a GS1-128 with application identifier (00), the SSCC (GS1 General Specifications, 5.4 and 6.4).

mod code128;
mod latin;
mod pdf;
mod zpl;

pub(crate) use pdf::pdf;
pub(crate) use zpl::zpl;

use crate::address::Address;

/// What stands on a label. Personal data: for the one who sticks it on.
pub(crate) struct Label<'a> {
    pub(crate) from: &'a Address,
    pub(crate) to: &'a Address,
    pub(crate) reference: &'a str,
    /// The parcel's number at the courier, once it is booked.
    pub(crate) parcel: Option<&'a str>,
    /// 18 digits.
    pub(crate) sscc: &'a str,
    pub(crate) weight_g: i64,
    pub(crate) cold_chain: bool,
}

impl Label<'_> {
    /// The weight as people read it.
    fn weight(&self) -> String {
        format!("{}.{:02} kg", self.weight_g / 1000, self.weight_g % 1000 / 10)
    }
}

/// The lines of an address.
fn lines(address: &Address) -> [String; 4] {
    let town = format!("{} {}", address.postcode, address.city);
    [address.name.clone(), address.street.clone(), town, address.country.clone()]
}

#[cfg(test)]
mod tests {
    use super::{Label, pdf, zpl};
    use crate::address::Address;

    fn address(name: &str) -> Address {
        let json = serde_json::json!({
            "name": name, "street": "Mannerheimintie 1 A 2", "postcode": "00100", "city": "Helsinki"
        });
        serde_json::from_value(json).unwrap()
    }

    fn with_label<T>(to: &str, test: impl FnOnce(&Label<'_>) -> T) -> T {
        let (from, to) = (address("Efir warehouse"), address(to));
        let sscc = "095212340000000013";
        let parcel = Some("EF0000000042FI");
        test(&Label { from: &from, to: &to, reference: "order 7", parcel, sscc, weight_g: 12_340, cold_chain: true })
    }

    #[test]
    fn zpl_cannot_be_broken_out_of() {
        let text = with_label("Älä ^XZ~JA _ Иван", zpl);
        assert!(text.starts_with("^XA^CI28") && text.ends_with("^XZ\n"));
        assert_eq!(text.matches("^XZ").count(), 1, "{text}");
        assert!(text.contains("Älä _5EXZ_7EJA _5F Иван") && text.contains("^FD>;>800095212340000000013^FS"));
        assert!(text.contains("12.34 kg") && text.contains("COLD"));
    }

    #[test]
    fn pdf_is_whole_and_says_who_gets_it() {
        let bytes = with_label("Ääkkönen (Иван) \\", pdf);
        assert!(bytes.starts_with(b"%PDF-1."));
        assert!(bytes.trim_ascii_end().ends_with(b"%%EOF"));
        let has = |text: &[u8]| bytes.windows(text.len()).any(|window| window == text);
        // WinAnsi in hexadecimal: one byte a letter; the Russian name in Latin letters.
        assert!(has(b"C4E46B6BF66E656E"), "umlauts");
        assert!(has(b"4976616E"), "transliterated");
        assert!(has(b"(00) 0 9521234 000000001 3"), "readable SSCC");
        if let Ok(path) = std::env::var("EFIR_LABEL_PDF") {
            std::fs::write(path, &bytes).unwrap();
        }
    }
}

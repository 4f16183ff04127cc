//! The label in ZPL II for a printer of 8 dots a millimetre: 104 by 148 mm (A6).

use std::fmt::Write;

use super::{Label, lines};

/// The label as a printer's commands.
pub(crate) fn zpl(label: &Label<'_>) -> String {
    // UTF-8 text, label width and length in dots.
    let mut out = String::from("^XA^CI28^PW832^LL1184\n");
    for (row, line) in lines(label.from).iter().enumerate() {
        field(&mut out, 40, 40 + 30 * row, 26, line);
    }
    out.push_str("^FO40,190^GB752,3,3^FS\n");
    for (row, line) in lines(label.to).iter().enumerate() {
        field(&mut out, 40, 230 + 60 * row, 48, line);
    }
    out.push_str("^FO40,510^GB752,3,3^FS\n");
    field(&mut out, 40, 540, 32, label.reference);
    field(&mut out, 40, 590, 32, &format!("{} {}", label.weight(), label.parcel.unwrap_or_default()));
    if label.cold_chain {
        out.push_str("^FO540,540^GB252,80,80^FS^FO560,556^FR^A0N,52,52^FDCOLD 2-8^FS\n");
    }
    // Code 128, start in subset C, FNC1, then AI (00) and the SSCC.
    let _ = writeln!(out, "^FO90,700^BY3^BCN,300,N,N,N^FD>;>800{}^FS", label.sscc);
    field(&mut out, 200, 1030, 40, &format!("(00) {}", label.sscc));
    out.push_str("^XZ\n");
    out
}

/// One line of text. What a printer would take for commands is written as hexadecimal.
fn field(out: &mut String, x: usize, y: usize, height: usize, text: &str) {
    let _ = write!(out, "^FO{x},{y}^A0N,{height},{height}^FH_^FD");
    for letter in text.chars() {
        match letter {
            '^' | '~' | '_' => {
                let _ = write!(out, "_{:02X}", u32::from(letter));
            }
            letter if letter.is_control() => out.push(' '),
            letter => out.push(letter),
        }
    }
    out.push_str("^FS\n");
}

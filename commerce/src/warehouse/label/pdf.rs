//! The label as a PDF page of A6 size.

use pdf_writer::{Content, Finish, Name, Pdf, Rect, Ref, Str};

use super::code128::gs1;
use super::latin::win_ansi;
use super::{Label, lines};

/// Points of an A6 page, and of its margin.
const WIDTH: f32 = 298.0;
const HEIGHT: f32 = 420.0;
const MARGIN: f32 = 18.0;

/// Points of one module of the bar code: 0.5 mm, within GS1's 0.495 to 0.94 mm for parcels.
const MODULE: f32 = 1.417;

/// Points of the height of the bars: 32 mm, GS1's least for parcels.
const BARS: f32 = 91.0;

const REGULAR: Name<'static> = Name(b"R");
const BOLD: Name<'static> = Name(b"B");

/// The label as a PDF document of one page.
pub(crate) fn pdf(label: &Label<'_>) -> Vec<u8> {
    let (catalog, tree, page, content, regular, bold) =
        (Ref::new(1), Ref::new(2), Ref::new(3), Ref::new(4), Ref::new(5), Ref::new(6));
    let mut pdf = Pdf::new();
    pdf.catalog(catalog).pages(tree);
    pdf.pages(tree).kids([page]).count(1);
    let mut sheet = pdf.page(page);
    sheet.media_box(Rect::new(0.0, 0.0, WIDTH, HEIGHT)).parent(tree).contents(content);
    sheet.resources().fonts().pair(REGULAR, regular).pair(BOLD, bold);
    sheet.finish();
    for (font, name) in [(regular, Name(b"Helvetica")), (bold, Name(b"Helvetica-Bold"))] {
        pdf.type1_font(font).base_font(name).encoding_predefined(Name(b"WinAnsiEncoding"));
    }
    pdf.stream(content, &draw(label));
    pdf.finish()
}

fn draw(label: &Label<'_>) -> Vec<u8> {
    let mut page = Content::new();
    text(&mut page, REGULAR, 7.0, (MARGIN, 398.0), "From");
    for (line, y) in lines(label.from).iter().zip([388.0, 379.0, 370.0, 361.0]) {
        text(&mut page, REGULAR, 8.0, (MARGIN, y), line);
    }
    rule(&mut page, 352.0);
    text(&mut page, REGULAR, 7.0, (MARGIN, 340.0), "To");
    for (line, y) in lines(label.to).iter().zip([322.0, 303.0, 284.0, 265.0]) {
        text(&mut page, BOLD, 15.0, (MARGIN, y), line);
    }
    rule(&mut page, 252.0);
    text(&mut page, REGULAR, 9.0, (MARGIN, 236.0), &format!("Reference {}", label.reference));
    text(&mut page, REGULAR, 9.0, (MARGIN, 222.0), &format!("Weight {}", label.weight()));
    if let Some(parcel) = label.parcel {
        text(&mut page, REGULAR, 9.0, (MARGIN, 208.0), &format!("Parcel {parcel}"));
    }
    if label.cold_chain {
        page.rect(WIDTH - MARGIN - 104.0, 200.0, 104.0, 24.0).fill_nonzero();
        page.set_fill_gray(1.0);
        text(&mut page, BOLD, 13.0, (WIDTH - MARGIN - 97.0, 207.5), "COLD 2-8 \u{b0}C");
        page.set_fill_gray(0.0);
    }
    rule(&mut page, 192.0);
    bars(&mut page, label.sscc);
    page.finish().into_vec()
}

/// The bar code in the middle of the page, and its digits below for those without a scanner.
fn bars(page: &mut Content, sscc: &str) {
    let widths = gs1(&format!("00{sscc}"));
    let modules: u32 = widths.iter().map(|width| u32::from(*width)).sum();
    #[expect(clippy::cast_precision_loss, reason = "some hundreds")]
    let mut x = (WIDTH - modules as f32 * MODULE) / 2.0;
    for (index, width) in widths.iter().enumerate() {
        let width = f32::from(*width) * MODULE;
        if index % 2 == 0 {
            page.rect(x, 62.0, width, BARS);
        }
        x += width;
    }
    page.fill_nonzero();
    let parts = [(0, 1), (1, 8), (8, 17), (17, 18)].map(|(from, to)| sscc.get(from..to).unwrap_or_default());
    text(page, REGULAR, 11.0, (78.0, 44.0), &format!("(00) {}", parts.join(" ")));
}

fn rule(page: &mut Content, y: f32) {
    page.move_to(MARGIN, y).line_to(WIDTH - MARGIN, y).stroke();
}

/// One line of text, narrowed if it would leave the page.
fn text(page: &mut Content, font: Name<'_>, size: f32, (x, y): (f32, f32), line: &str) {
    let line = win_ansi(line);
    // Letters of Helvetica are about 0.55 of their size wide, those of its bold 0.6.
    #[expect(clippy::cast_precision_loss, reason = "some hundreds")]
    let wide = line.len() as f32 * size * 0.6;
    let scale = ((WIDTH - MARGIN - x) / wide.max(1.0)).min(1.0) * 100.0;
    page.begin_text().set_font(font, size).set_horizontal_scaling(scale).next_line(x, y).show(Str(&line)).end_text();
}

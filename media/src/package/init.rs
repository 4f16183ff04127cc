//! Initialisation segments: `ftyp` + `moov` with empty sample tables and `mvex`.

use bytes::Bytes;
use mp4_atom::{
    Atom, BufMut, Dinf, Dref, Encode, FixedPoint, FourCC, Ftyp, Hdlr, Mdhd, Mvhd, Smhd, Stco, Stsc, Stsz, Stts, Tkhd,
    Trex, Url, Vmhd,
};

use crate::frame::TrackKind;

/// Ticks per second of the movie header; nothing is measured in it as every duration is left open.
const MOVIE_TIMESCALE: u32 = 1000;

/// What the segment says about one track.
#[derive(Debug)]
pub(crate) struct InitTrack<'a> {
    pub(crate) id: u32,
    pub(crate) kind: TrackKind,
    pub(crate) timescale: u32,
    pub(crate) language: Option<&'a str>,
    /// The complete sample entry box.
    pub(crate) entry: &'a [u8],
}

/// The segment for these tracks.
pub(crate) fn init_segment(tracks: &[InitTrack<'_>]) -> Bytes {
    let mut out = Vec::with_capacity(1024);
    write(&mut out, tracks).expect("the sizes of all boxes are below 4 GiB, as their inputs are bounded");
    out.into()
}

fn write(out: &mut Vec<u8>, tracks: &[InitTrack<'_>]) -> mp4_atom::Result<()> {
    Ftyp {
        major_brand: FourCC::new(b"iso6"),
        minor_version: 0,
        compatible_brands: [b"iso6", b"cmfc", b"mp41"].map(FourCC::new).to_vec(),
    }
    .encode(out)?;
    out.encode_atom(*b"moov", |out| {
        Mvhd {
            timescale: MOVIE_TIMESCALE,
            rate: 1.into(),
            volume: 1.into(),
            next_track_id: tracks.iter().map(|track| track.id).max().unwrap_or(0).saturating_add(1),
            ..Mvhd::default()
        }
        .encode(out)?;
        for track in tracks {
            out.encode_atom(*b"trak", |out| write_track(out, track))?;
        }
        out.encode_atom(*b"mvex", |out| {
            for track in tracks {
                Trex { track_id: track.id, default_sample_description_index: 1, ..Trex::default() }.encode(out)?;
            }
            Ok(())
        })
    })
}

fn write_track(out: &mut Vec<u8>, track: &InitTrack<'_>) -> mp4_atom::Result<()> {
    let (width, height, handler, name) = match track.kind {
        TrackKind::Video { width, height, .. } => (width, height, b"vide", "video"),
        TrackKind::Audio { .. } => (0, 0, b"soun", "audio"),
    };
    let pixels = |value: u32| FixedPoint::from(u16::try_from(value).unwrap_or(u16::MAX));
    Tkhd {
        track_id: track.id,
        enabled: true,
        in_movie: true,
        volume: u8::from(!track.kind.is_video()).into(),
        width: pixels(width),
        height: pixels(height),
        ..Tkhd::default()
    }
    .encode(out)?;
    out.encode_atom(*b"mdia", |out| {
        Mdhd { timescale: track.timescale, language: iso639(track.language).to_owned(), ..Mdhd::default() }
            .encode(out)?;
        Hdlr { handler: FourCC::new(handler), name: name.to_owned() }.encode(out)?;
        out.encode_atom(*b"minf", |out| write_media(out, track))
    })
}

fn write_media(out: &mut Vec<u8>, track: &InitTrack<'_>) -> mp4_atom::Result<()> {
    if track.kind.is_video() {
        Vmhd::default().encode(out)?;
    } else {
        Smhd::default().encode(out)?;
    }
    Dinf { dref: Dref { entries: vec![Url::default().into()] } }.encode(out)?;
    out.encode_atom(*b"stbl", |out| {
        // By hand: the library only writes sample entries it decoded, and they are kept byte for byte here.
        out.encode_atom(*b"stsd", |out| {
            0u32.encode(out)?;
            1u32.encode(out)?;
            out.append_slice(track.entry);
            Ok(())
        })?;
        empty::<Stts>(out)?;
        empty::<Stsc>(out)?;
        empty::<Stsz>(out)?;
        empty::<Stco>(out)
    })
}

fn empty<T: Atom + Default>(out: &mut Vec<u8>) -> mp4_atom::Result<()> {
    T::default().encode(out)
}

/// The three-letter code MP4 can carry; anything else is undetermined.
fn iso639(language: Option<&str>) -> &str {
    language.filter(|code| code.len() == 3 && code.bytes().all(|byte| byte.is_ascii_lowercase())).unwrap_or("und")
}

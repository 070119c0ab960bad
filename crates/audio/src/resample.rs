//! From one sample rate to another, with a filter against aliases.
//!
//! The filters are the crate `rubato`'s, which convert by FFT at a fixed ratio; its interface changes from release to
//! release and stays behind the three shapes here. [`resample`] converts what is in memory, [`Resampler`] streams of any
//! rates, both to the exact length and without shift; [`LineResampler`] converts frames of one tick for a line, 10 ms
//! late and without allocating.

use std::fmt;

use rubato::audioadapter_buffers::direct::InterleavedSlice;
use rubato::{Fft, FixedSync, Resampler as _, WindowFunction};

use crate::frame::{SampleRate, saturate};

/// Samples that a block holds at least on the side of the lower rate: the filter is as long as a block.
const BLOCK: u64 = 512;

/// Why no converter can be made.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ResampleError {
    /// A line needs whole frames: both rates must be multiples of 50 Hz.
    PartialTick {
        /// The rate that is not.
        rate: SampleRate,
    },
    /// The filter could not be made; not known to happen.
    Filter {
        /// From this rate.
        from: SampleRate,
        /// To this rate.
        to: SampleRate,
    },
}

impl fmt::Display for ResampleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PartialTick { rate } => write!(f, "no whole frame of 20 ms at {rate}: expected a multiple of 50 Hz"),
            Self::Filter { from, to } => write!(f, "no filter from {from} to {to}"),
        }
    }
}

impl std::error::Error for ResampleError {}

/// How many samples `samples` become: the nearest number, ties up.
pub fn resampled(samples: u64, from: SampleRate, to: SampleRate) -> u64 {
    let (from, to) = (u128::from(from.hz()), u128::from(to.hz()));
    u64::try_from((u128::from(samples) * to + from / 2) / from).unwrap_or(u64::MAX)
}

/// Converts everything at once; the result has [`resampled`] samples.
///
/// # Errors
/// [`ResampleError::Filter`].
pub fn resample(samples: &[i16], from: SampleRate, to: SampleRate) -> Result<Vec<i16>, ResampleError> {
    let mut out = Vec::with_capacity(usize::try_from(resampled(samples.len() as u64, from, to)).unwrap_or(0));
    let mut resampler = Resampler::new(from, to)?;
    resampler.push(samples, &mut out);
    resampler.finish(&mut out);
    Ok(out)
}

/// One block of a filter: so many samples in, so many out.
struct Filter {
    fft: Fft<f32>,
    input: Vec<f32>,
    output: Vec<f32>,
}

impl Filter {
    /// A filter whose blocks take at least `block` samples.
    fn new(from: SampleRate, to: SampleRate, block: usize) -> Result<Self, ResampleError> {
        let (hz_in, hz_out) = (from.hz() as usize, to.hz() as usize);
        let window = WindowFunction::BlackmanHarris2;
        let fft = Fft::new_custom(hz_in, hz_out, block, 1, 1, window, FixedSync::Both)
            .map_err(|_| ResampleError::Filter { from, to })?;
        let (input, output) = (vec![0.0; fft.input_frames_next()], vec![0.0; fft.output_frames_next()]);
        Ok(Self { fft, input, output })
    }

    /// Converts `input` into `output`. Does not fail: both have the sizes that the filter asked for.
    fn run(&mut self) {
        let (frames_in, frames_out) = (self.input.len(), self.output.len());
        let input = InterleavedSlice::new(&self.input[..], 1, frames_in);
        let output = InterleavedSlice::new_mut(&mut self.output[..], 1, frames_out);
        let done = match (input, output) {
            (Ok(input), Ok(mut output)) => self.fft.process_into_buffer(&input, &mut output, None).is_ok(),
            _ => false,
        };
        if !done {
            self.output.fill(0.0);
        }
    }
}

/// Converts a stream of any length. Memory does not depend on it: some kilobytes for usual rates, up to some tens of
/// megabytes for rates without a common divisor (383 987 to 383 981 Hz).
pub struct Resampler {
    from: SampleRate,
    to: SampleRate,
    /// `None` when the rates are equal.
    filter: Option<Filter>,
    filled: usize,
    /// Samples at the start of the output that come from before the stream.
    late: usize,
    taken: u64,
    given: u64,
}

impl Resampler {
    /// A converter at the start of a stream.
    ///
    /// # Errors
    /// [`ResampleError::Filter`].
    pub fn new(from: SampleRate, to: SampleRate) -> Result<Self, ResampleError> {
        let lower = u64::from(from.hz().min(to.hz()));
        let block = usize::try_from((BLOCK * u64::from(from.hz())).div_ceil(lower)).unwrap_or(usize::MAX);
        let filter = if from == to { None } else { Some(Filter::new(from, to, block)?) };
        let late = filter.as_ref().map_or(0, |filter| filter.fft.output_delay());
        Ok(Self { from, to, filter, filled: 0, late, taken: 0, given: 0 })
    }

    /// Takes the next samples and appends to `out` what is ready.
    pub fn push(&mut self, samples: &[i16], out: &mut Vec<i16>) {
        self.taken = self.taken.saturating_add(samples.len() as u64);
        if self.filter.is_none() {
            self.given = self.taken;
            return out.extend_from_slice(samples);
        }
        let mut rest = samples;
        while !rest.is_empty() {
            let Some(filter) = &mut self.filter else { return };
            let room = filter.input.get_mut(self.filled..).unwrap_or_default();
            let (piece, after) = rest.split_at(rest.len().min(room.len()));
            rest = after;
            room.iter_mut().zip(piece).for_each(|(to, from)| *to = f32::from(*from));
            self.filled += piece.len();
            if self.filled == filter.input.len() {
                self.convert(u64::MAX, out);
            }
        }
    }

    /// Ends the stream: appends what is left, so that everything together has [`resampled`] samples. The converter is
    /// then at the start of another stream.
    pub fn finish(&mut self, out: &mut Vec<i16>) {
        let total = resampled(self.taken, self.from, self.to);
        while self.given < total {
            let Some(filter) = &mut self.filter else { break };
            filter.input.iter_mut().skip(self.filled).for_each(|sample| *sample = 0.0);
            self.convert(total - self.given, out);
        }
        (self.taken, self.given, self.filled) = (0, 0, 0);
        if let Some(filter) = &mut self.filter {
            filter.fft.reset();
            self.late = filter.fft.output_delay();
        }
    }

    /// Converts the block, and appends at most `most` samples of it.
    fn convert(&mut self, most: u64, out: &mut Vec<i16>) {
        let Some(filter) = &mut self.filter else { return };
        filter.run();
        self.filled = 0;
        let skipped = self.late.min(filter.output.len());
        self.late -= skipped;
        let before = out.len();
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        out.extend(filter.output.iter().skip(skipped).take(most).map(|sample| saturate(*sample)));
        self.given = self.given.saturating_add((out.len() - before) as u64);
    }
}

/// Converts a line frame by frame: one tick in, one tick out, half a tick late.
pub struct LineResampler {
    filter: Option<Filter>,
    from: SampleRate,
    to: SampleRate,
}

impl LineResampler {
    /// A converter at the start of a line. Rates must be multiples of 50 Hz.
    ///
    /// # Errors
    /// [`ResampleError`].
    pub fn new(from: SampleRate, to: SampleRate) -> Result<Self, ResampleError> {
        if let Some(rate) = [from, to].into_iter().find(|rate| !rate.hz().is_multiple_of(50)) {
            return Err(ResampleError::PartialTick { rate });
        }
        let filter = if from == to { None } else { Some(Filter::new(from, to, from.tick_samples())?) };
        Ok(Self { filter, from, to })
    }

    /// The rate of the frames that go in.
    pub const fn from(&self) -> SampleRate {
        self.from
    }

    /// The rate of the frames that come out.
    pub const fn to(&self) -> SampleRate {
        self.to
    }

    /// How late the output is, in its samples.
    pub fn delay(&self) -> usize {
        self.filter.as_ref().map_or(0, |filter| filter.fft.output_delay())
    }

    /// Converts one frame of a tick. A shorter one counts as followed by silence, a longer one is cut; `out` is filled
    /// to a tick, or to its end if that comes first. Allocates nothing.
    pub fn convert(&mut self, frame: &[i16], out: &mut [i16]) {
        let Some(filter) = &mut self.filter else {
            out.iter_mut().zip(frame.iter().chain(std::iter::repeat(&0))).for_each(|(to, from)| *to = *from);
            return;
        };
        let padded = frame.iter().chain(std::iter::repeat(&0));
        filter.input.iter_mut().zip(padded).for_each(|(to, from)| *to = f32::from(*from));
        filter.run();
        out.iter_mut().zip(&filter.output).for_each(|(to, from)| *to = saturate(*from));
    }

    /// Forgets what was heard: a new line begins.
    pub fn reset(&mut self) {
        if let Some(filter) = &mut self.filter {
            filter.fft.reset();
        }
    }
}

#[cfg(test)]
mod tests;

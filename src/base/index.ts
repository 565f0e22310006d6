/**
 * The ground: what every floor may use and nothing else does twice. A closed list: errors, assert,
 * clock, bytes, control of what runs. Nothing here does I/O or knows what Redis is.
 *
 * Errors are one class and one closed table of codes; an assert is for bugs of ours alone.
 */
export { assert } from './assert.ts';
export { ByteBuilder } from './byte-builder.ts';
export { type Clock, systemClock } from './clock.ts';
export { CodedError, type ErrorCode, type ErrorDetails, ERRORS, isCoded } from './errors.ts';
export { printableBytes } from './printable-bytes.ts';
export { RunControl, type RunSettings } from './run-control.ts';

/**
 * Continuous capture: the replication streams of live servers become segments in a repository.
 *
 *   log link (sources) → tail: stamps, cuts → spool: local files, durable within a second
 *     → segments (repository), the oldest first → spool file removed
 *
 * `runCapture` records many sources in one process and takes the full backups that their logs are
 * replayed from; `readCaptureStatus` tells other processes how it goes. What the stream does is
 * nobody's business here.
 *
 * Invariants: nothing the source waits for waits for the repository; what is acknowledged is
 * durable, and never all there is (docs/capture.md); a file ends between commands and outside
 * MULTI … EXEC; a break that the source does not bridge is a new lineage with a gap on record.
 */
export type { AckMode } from '../sources/index.ts';
export type {
  CapturedSource,
  CaptureOptions,
  CaptureReport,
  CaptureRequest,
} from './capture-request.ts';
export {
  type CapturePhase,
  type CaptureStatus,
  captureStatusFile,
  readCaptureStatus,
} from './capture-status.ts';
export { runCapture } from './run-capture.ts';

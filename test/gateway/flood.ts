// Writes without end, for whoever takes it: a client that asks for ever, a backend that answers for ever.
import type { Writable } from 'node:stream';

/** Writes the piece over and over, as fast as it is taken, until the stream is destroyed. */
export function flood(stream: Writable, piece: string | Buffer): void {
  const more = () => {
    while (!stream.destroyed && stream.write(piece));
  };
  stream.on('error', () => {}).on('drain', more);
  more();
}

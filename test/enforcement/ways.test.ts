// Every known way around the encryption rules, tried: each test is named for the number of its row in docs/enforcement.md.
// One run of every backend for all of them: starting one costs more than most of the tests.
import { configuration } from './configuration.ts';
import { copies } from './copies.ts';
import { directWrites } from './direct-writes.ts';
import { evidence } from './evidence.ts';
import { forms } from './forms.ts';
import { multipart } from './multipart.ts';
import { onEach } from './site.ts';
import { smuggling } from './smuggling.ts';
import { transport } from './transport.ts';

onEach(['pacific', 'tentacle', 'store', 'fake'], {
  'settings of the write itself': directWrites,
  'multipart uploads': multipart,
  'copies and re-encryption': copies,
  'forms and anonymous writes': forms,
  'configuration of buckets': configuration,
  'signatures and channels': transport,
  smuggling: smuggling,
  'what is left in evidence': evidence,
});

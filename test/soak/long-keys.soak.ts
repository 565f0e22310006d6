import { describeLongKeys } from '../restore/long-key-proof.ts';
import { SERVER_NAMES } from '../support/servers.ts';

/** All servers of what test/restore/long-keys.test.ts shows on two. */
for (const name of SERVER_NAMES) describeLongKeys(name);

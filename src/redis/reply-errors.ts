import { CodedError } from '../base/index.ts';
import type { ReplyError } from '../resp/index.ts';

/**
 * What an error reply means, for `what` we asked ("PING"). The server's text is shown, cut at 200
 * characters; servers do not repeat passwords or values in it.
 */
export function errorOfReply(error: ReplyError, what: string): CodedError {
  const text = error.message.slice(0, 200);
  const message = `Cannot run ${what}: the server answered ${JSON.stringify(text)}`;
  switch (error.code) {
    case 'NOAUTH':
      return new CodedError('AUTH_FAILED', message, {
        hint: 'The server wants a password: --password-file, or TIDEMARK_PASSWORD',
      });
    case 'WRONGPASS':
      return new CodedError('AUTH_FAILED', message);
    case 'NOPERM':
      return new CodedError('NOPERM', message);
    case 'LOADING':
      return new CodedError('SOURCE_LOADING', message);
    default:
      return new CodedError('COMMAND_FAILED', message);
  }
}

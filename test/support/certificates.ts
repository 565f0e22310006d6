import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';

const runFile = promisify(execFile);

/** Paths of PEM files: an authority, and what it signed for 127.0.0.1, localhost and a client. */
export type Certificates = {
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
  readonly clientCert: string;
  readonly clientKey: string;
};

/** Makes throw-away certificates in `dir` with the openssl command. */
export async function createCertificates(dir: string): Promise<Certificates> {
  const paths = {
    ca: join(dir, 'ca.crt'),
    cert: join(dir, 'server.crt'),
    key: join(dir, 'server.key'),
    clientCert: join(dir, 'client.crt'),
    clientKey: join(dir, 'client.key'),
  };
  const caKey = join(dir, 'ca.key');
  const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  const authority = ['-x509', '-days', '30', '-subj', '/CN=Tidemark test authority'];
  await openssl('req', ...authority, ...newKey, '-keyout', caKey, '-out', paths.ca);
  const sign = async (name: string, cert: string, key: string, extensions: string) => {
    const request = join(dir, `${name}.csr`);
    const extensionFile = join(dir, `${name}.ext`);
    writeFileSync(extensionFile, extensions);
    await openssl('req', '-subj', `/CN=${name}`, ...newKey, '-keyout', key, '-out', request);
    const signer = ['-CA', paths.ca, '-CAkey', caKey, '-CAcreateserial', '-days', '30'];
    await openssl(
      'x509',
      '-req',
      '-in',
      request,
      ...signer,
      '-extfile',
      extensionFile,
      '-out',
      cert,
    );
  };
  const names = 'subjectAltName=DNS:localhost,IP:127.0.0.1\n';
  await sign('localhost', paths.cert, paths.key, names);
  await sign('client', paths.clientCert, paths.clientKey, 'extendedKeyUsage=clientAuth\n');
  return paths;
}

async function openssl(...args: string[]): Promise<void> {
  await runFile('openssl', args);
}

// A certificate authority and one certificate signed by it, made anew for a test with openssl.

import { execFile, spawnSync } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** Why there cannot be any; undefined when there can. In CI that is an error. */
export function missingOpenssl(): string | undefined {
  if (spawnSync('openssl', ['version']).status === 0) return undefined;
  if (process.env['CI'] === 'true') throw new Error('openssl is missing, and CI may skip nothing');
  return 'no openssl to make a certificate with';
}

/** Puts `ca.crt`, and `node.crt` with `node.key` for 127.0.0.1 and localhost, into `dir`. */
export async function makeCertificates(dir: string): Promise<void> {
  const openssl = (...args: string[]): Promise<unknown> => run('openssl', args, { cwd: dir });
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  await writeFile(join(dir, 'san.txt'), 'subjectAltName=IP:127.0.0.1,DNS:localhost\n');
  await openssl('req', '-x509', ...key, '-keyout', 'ca.key', '-out', 'ca.crt', '-days', '2', '-subj', '/CN=test ca');
  await openssl('req', ...key, '-keyout', 'node.key', '-out', 'node.csr', '-subj', '/CN=node');
  const sign = ['-CA', 'ca.crt', '-CAkey', 'ca.key', '-CAcreateserial', '-days', '2', '-extfile', 'san.txt'];
  await openssl('x509', '-req', '-in', 'node.csr', '-out', 'node.crt', ...sign);
}

// The tls-* parameters in the terms of node:tls. Reads the files that they name.

import { readFileSync } from 'node:fs';
import type { SecureVersion, TlsOptions } from 'node:tls';
import type { Config } from './command/config.ts';

const versions: readonly SecureVersion[] = ['TLSv1', 'TLSv1.1', 'TLSv1.2', 'TLSv1.3'];

/** Throws an Error that names the parameter at fault. */
export function tlsOptions(config: Config): TlsOptions {
  const asked = config.get('tls-auth-clients');
  const ca = file(config, 'tls-ca-cert-file');
  const [cert, key] = [file(config, 'tls-cert-file'), file(config, 'tls-key-file')];
  if (cert === undefined || key === undefined) throw new Error('tls-port: tls-cert-file and tls-key-file are needed');
  if (asked !== 'no' && ca === undefined) {
    throw new Error('tls-ca-cert-file is needed to tell clients by their certificates (tls-auth-clients)');
  }
  const wanted = config.get('tls-protocols').split(' ').filter(Boolean);
  const known = versions.filter((version) => wanted.some((word) => word.toLowerCase() === version.toLowerCase()));
  if (known.length !== wanted.length) throw new Error(`tls-protocols: '${wanted.join(' ')}' is not known`);
  const [minVersion, maxVersion] = [known[0], known.at(-1)];
  return {
    cert,
    key,
    requestCert: asked !== 'no',
    rejectUnauthorized: asked === 'yes',
    honorCipherOrder: config.flag('tls-prefer-server-ciphers'),
    sessionTimeout: config.number('tls-session-cache-timeout'),
    ...(ca && { ca }),
    ...(config.get('tls-key-file-pass') !== '' && { passphrase: config.get('tls-key-file-pass') }),
    ...(config.get('tls-ciphers') !== '' && { ciphers: config.get('tls-ciphers') }),
    ...(minVersion && { minVersion }),
    ...(maxVersion && { maxVersion }),
  };
}

function file(config: Config, name: string): Buffer | undefined {
  const path = config.get(name);
  if (path === '') return undefined;
  try {
    return readFileSync(path);
  } catch (error) {
    throw new Error(`${name}: ${(error as Error).message}`);
  }
}

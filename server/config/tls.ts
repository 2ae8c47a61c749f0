// The tls-* parameters in the terms of node:tls. Reads the files that they name, again whenever one of them is set.

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  type ConnectionOptions,
  createSecureContext,
  type SecureContext,
  type SecureVersion,
  type TlsOptions,
} from 'node:tls';
import type { Config } from './config.ts';

const versions: readonly SecureVersion[] = ['TLSv1', 'TLSv1.1', 'TLSv1.2', 'TLSv1.3'];

/** What one node shows to its clients and to other nodes, and whom it believes. */
export class TlsConfig {
  readonly #config: Config;
  #dialling: SecureContext | undefined;

  constructor(config: Config) {
    this.#config = config;
    config.onChange((name) => {
      if (name.startsWith('tls-')) this.#dialling = undefined;
    });
  }

  /** For the door of clients. Throws an Error that names the parameter at fault. */
  forClients(): TlsOptions {
    const asked = this.#config.get('tls-auth-clients');
    return { ...doorOptions(this.#config), requestCert: asked !== 'no', rejectUnauthorized: asked === 'yes' };
  }

  /** For the door of other nodes, who always have to show a certificate. */
  forNodes(): TlsOptions {
    return { ...doorOptions(this.#config), requestCert: true, rejectUnauthorized: true };
  }

  /** For dialling other nodes: by the authority alone, as their addresses are nobody's names. */
  forDialling(): ConnectionOptions {
    this.#dialling ??= createSecureContext(diallingOptions(this.#config));
    return { secureContext: this.#dialling, rejectUnauthorized: true, checkServerIdentity: () => undefined };
  }
}

function doorOptions(config: Config): TlsOptions {
  const [cert, key] = [file(config, 'tls-cert-file'), file(config, 'tls-key-file')];
  if (cert === undefined || key === undefined) throw new Error('tls-port: tls-cert-file and tls-key-file are needed');
  return {
    cert,
    key,
    ...common(config),
    honorCipherOrder: config.flag('tls-prefer-server-ciphers'),
    sessionTimeout: config.number('tls-session-cache-timeout'),
    ...(config.get('tls-key-file-pass') !== '' && { passphrase: config.get('tls-key-file-pass') }),
  };
}

function diallingOptions(config: Config): TlsOptions {
  const own = config.get('tls-client-cert-file') === '' ? 'tls' : 'tls-client';
  const [cert, key] = [file(config, `${own}-cert-file`), file(config, `${own}-key-file`)];
  const passphrase = config.get(`${own}-key-file-pass`);
  return {
    ...(cert && { cert }),
    ...(key && { key }),
    ...(passphrase !== '' && { passphrase }),
    ...common(config),
  };
}

/** Whom to believe, and what both directions agree on. */
function common(config: Config): Pick<TlsOptions, 'ca' | 'ciphers' | 'minVersion' | 'maxVersion'> {
  const ca = authorities(config);
  const wanted = config.get('tls-protocols').split(' ').filter(Boolean);
  const known = versions.filter((version) => wanted.some((word) => word.toLowerCase() === version.toLowerCase()));
  if (known.length !== wanted.length) throw new Error(`tls-protocols: '${wanted.join(' ')}' is not known`);
  const [minVersion, maxVersion] = [known[0], known.at(-1)];
  return {
    ...(ca.length > 0 && { ca }),
    ...(config.get('tls-ciphers') !== '' && { ciphers: config.get('tls-ciphers') }),
    ...(minVersion && { minVersion }),
    ...(maxVersion && { maxVersion }),
  };
}

function authorities(config: Config): Buffer[] {
  const single = file(config, 'tls-ca-cert-file');
  const folder = config.get('tls-ca-cert-dir');
  const names = folder === '' ? [] : reading('tls-ca-cert-dir', () => readdirSync(folder));
  const found = names.map((name) => reading('tls-ca-cert-dir', () => readFileSync(join(folder, name))));
  const all = [...(single === undefined ? [] : [single]), ...found.filter((text) => text.includes('CERTIFICATE'))];
  const needed =
    config.get('tls-auth-clients') !== 'no' || config.flag('tls-cluster') || config.flag('tls-replication');
  if (needed && all.length === 0) {
    throw new Error(
      'tls-ca-cert-file or tls-ca-cert-dir is needed to verify the certificates of others ' +
        '(tls-auth-clients, tls-cluster, tls-replication)',
    );
  }
  return all;
}

function file(config: Config, name: string): Buffer | undefined {
  const path = config.get(name);
  return path === '' ? undefined : reading(name, () => readFileSync(path));
}

function reading<T>(name: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw new Error(`${name}: ${(error as Error).message}`);
  }
}

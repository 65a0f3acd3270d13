import { isIP } from 'node:net';
import { EXTERNAL_HOST } from '../kinds/limits.ts';
import { patternText } from '../kinds/schema/common-schema.ts';
import type { Schema } from '../kinds/schema/schema.ts';
import { parseCidr } from '../model/address.ts';
import type { JsonObject } from './kind-examples.ts';

/** What a rule of the schemas says, in TypeScript: the API server evaluates the CEL, test:kube asks it. */
function ruleHolds(rule: string, value: unknown): boolean {
  const text = String(value);
  const has = (name: string): boolean => typeof value === 'object' && value !== null && Object.hasOwn(value, name);
  const pattern = /^self\.matches\(r'(.*)'\)$/.exec(rule)?.[1];
  if (pattern !== undefined) return new RegExp(pattern).test(text);
  if (/^has\(self\.\w+\)(?: \|\| has\(self\.\w+\))*$/.test(rule))
    return [...rule.matchAll(/has\(self\.(\w+)\)/g)].some(([, name = '']) => has(name));
  const field = (name: string): unknown => (has(name) ? Object(value)[name] : undefined);
  const words = /^self\.group \+ '\/' \+ self\.kind in \[(.*)\]$/.exec(rule)?.[1];
  if (words !== undefined) return words.split(', ').includes(`'${String(field('group'))}/${String(field('kind'))}'`);
  if (rule.startsWith('!has(self.endpoints) || self.endpoints.all(e, ')) {
    const endpoints = field('endpoints');
    const addresses = Array.isArray(endpoints) ? endpoints.map((endpoint) => String(Object(endpoint).address)) : [];
    return addresses.every(field('resolution') === 'Static' ? isAddress : (host) => EXTERNAL_HOST.test(host));
  }
  switch (rule) {
    case "!self.contains(':')":
      return !text.includes(':');
    case 'isIP(self)':
      return isAddress(text);
    case 'isIP(self) || isCIDR(self)':
      return isBlock(text);
    case '!(has(self.selector) && has(self.targetRefs))':
      return !(has('selector') && has('targetRefs'));
    case 'self.size() > 0':
      return Object.keys(Object(value)).length > 0;
    case "self.unknownDestinations == 'Refuse' || !has(self.allow)":
      return field('unknownDestinations') === 'Refuse' || !has('allow');
    case "(has(self.resolution) && self.resolution == 'Static') ? has(self.endpoints) : true":
      return field('resolution') !== 'Static' || has('endpoints');
    case "(has(self.resolution) && self.resolution == 'None') ? (has(self.addresses) && !has(self.endpoints)) : true":
      return field('resolution') !== 'None' || (has('addresses') && !has('endpoints'));
    case "!has(self.addresses) || (has(self.resolution) && self.resolution == 'None') || self.addresses.all(a, isIP(a))":
      return field('resolution') === 'None' || textsOf(field('addresses')).every(isAddress);
    case "!self.endsWith('.svc') && !self.endsWith('.svc.cluster.local') && !self.endsWith('.clusterset.local')":
      return !/\.(?:svc(?:\.cluster\.local)?|clusterset\.local)$/.test(text);
    case '!has(self.ports) || has(self.selector)':
      return !has('ports') || has('selector');
    default:
      throw new Error(`the test does not know what this rule says: ${rule}`);
  }
}

function textsOf(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.map(String) : [];
}

function isAddress(text: string): boolean {
  return isIP(text) !== 0 && !text.includes('%');
}

function isBlock(text: string): boolean {
  try {
    parseCidr(text);
    return true;
  } catch {
    return false;
  }
}

/** Whether the API server would take the value, and no field is unknown. @throws Error for a rule it does not know. */
export function isValid(schema: Schema, value: unknown): boolean {
  return isOfType(schema, value) && (schema.rules ?? []).every(({ rule }) => ruleHolds(rule, value));
}

function isOfType(schema: Schema, value: unknown): boolean {
  switch (schema.type) {
    case 'object': {
      if (!isObject(value) || (schema.required ?? []).some((name) => !Object.hasOwn(value, name))) return false;
      return Object.entries(value).every(([name, item]) => {
        const field = Object.hasOwn(schema.fields, name) ? schema.fields[name] : undefined;
        return field !== undefined && isValid(field, item);
      });
    }
    case 'map':
      if (!isObject(value) || Object.keys(value).length > schema.entriesMax) return false;
      return Object.values(value).every((item) => isValid(schema.values, item));
    case 'list': {
      const { uniqueBy, itemsMin = 0, itemsMax, items } = schema;
      if (!Array.isArray(value) || value.length < itemsMin || value.length > itemsMax) return false;
      if (!value.every((item) => isValid(items, item))) return false;
      return uniqueBy === undefined || new Set(value.map((item) => Object(item)[uniqueBy])).size === value.length;
    }
    case 'text':
      if (typeof value !== 'string' || value.length > schema.lengthMax || value.length < (schema.lengthMin ?? 0))
        return false;
      if (schema.values !== undefined && !schema.values.includes(value)) return false;
      return schema.pattern === undefined || new RegExp(patternText(schema.pattern)).test(value);
    case 'integer':
      return typeof value === 'number' && Number.isInteger(value) && value >= schema.min && value <= schema.max;
    case 'boolean':
      return typeof value === 'boolean';
  }
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

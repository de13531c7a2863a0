/** An object of libp2p with some methods replaced: its components find each other by these objects, which cannot be copied. */
export function overriding<T extends object>(target: T, methods: Partial<T>): T {
  return new Proxy(target, {
    get: (object, name) => {
      const value: unknown = Reflect.get(Object.hasOwn(methods, name) ? methods : object, name)
      return typeof value === 'function' ? (value.bind(object) as unknown) : value
    }
  })
}

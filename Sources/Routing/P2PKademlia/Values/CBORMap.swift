/// One map of DAG-CBOR with text keys: all that an IPNS record needs of it (dag-cbor spec, "Strictness"; RFC 8949).
///
/// Values of other kinds than numbers and byte strings are kept as the bytes that they are, so that what others have signed stays whole.
struct CBORMap: Sendable {
    enum Value: Hashable, Sendable {
        case number(UInt64)
        case bytes([UInt8])
        /// As it stands there; nothing here looks into it.
        case other([UInt8])
    }

    /// How deep values may lie within each other.
    private static let maximumDepth = 16

    private(set) var values: [String: Value] = [:]

    init() {}

    subscript(_ name: String) -> Value? {
        get { self.values[name] }
        set { self.values[name] = newValue }
    }

    // MARK: Reading

    /// - Returns: nil when the bytes are anything but one map, whose keys are texts and each there once.
    init?(_ bytes: [UInt8]) {
        var rest = bytes[...]
        guard let (major, count) = Self.head(&rest), major == 5, count <= UInt64(bytes.count) else { return nil }
        for _ in 0..<count {
            guard let (major, length) = Self.head(&rest), major == 3, length <= UInt64(rest.count),
                let name = String(validating: rest.prefix(Int(length)), as: UTF8.self)
            else { return nil }
            rest = rest.dropFirst(Int(length))
            guard let value = Self.value(&rest), self.values[name] == nil else { return nil }
            self.values[name] = value
        }
        guard rest.isEmpty else { return nil }
    }

    private static func value(_ rest: inout ArraySlice<UInt8>) -> Value? {
        let start = rest
        guard let (major, number) = self.head(&rest) else { return nil }
        switch major {
        case 0: return .number(number)
        case 2:
            guard number <= UInt64(rest.count) else { return nil }
            defer { rest = rest.dropFirst(Int(number)) }
            return .bytes(Array(rest.prefix(Int(number))))
        default:
            rest = start
            guard self.skip(&rest, depth: 0) else { return nil }
            return .other(Array(start.prefix(start.count - rest.count)))
        }
    }

    private static func skip(_ rest: inout ArraySlice<UInt8>, depth: Int) -> Bool {
        guard depth < self.maximumDepth, let (major, number) = self.head(&rest) else { return false }
        switch major {
        case 0, 1, 7: return true
        case 2, 3:
            guard number <= UInt64(rest.count) else { return false }
            rest = rest.dropFirst(Int(number))
            return true
        case 4, 5:
            // Each item has a byte at least.
            guard number <= UInt64(rest.count) else { return false }
            for _ in 0..<number * (major == 5 ? 2 : 1) {
                guard self.skip(&rest, depth: depth + 1) else { return false }
            }
            return true
        default: return self.skip(&rest, depth: depth + 1)
        }
    }

    /// The kind and the number of an item; nil at the end, and for lengths that come later, which DAG-CBOR has not got.
    private static func head(_ rest: inout ArraySlice<UInt8>) -> (major: UInt8, number: UInt64)? {
        guard let first = rest.popFirst() else { return nil }
        let (major, info) = (first >> 5, first & 0x1f)
        guard info >= 24 else { return (major, UInt64(info)) }
        guard info <= 27 else { return nil }
        let length = 1 << Int(info - 24)
        guard rest.count >= length else { return nil }
        let number = rest.prefix(length).reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        rest = rest.dropFirst(length)
        return (major, number)
    }

    // MARK: Writing

    /// The one way to write it: shorter keys first, then byte by byte; each number as short as it goes.
    var encoded: [UInt8] {
        var bytes: [UInt8] = []
        Self.append(5, UInt64(self.values.count), to: &bytes)
        let names = self.values.keys.sorted {
            let (left, right) = (Array($0.utf8), Array($1.utf8))
            return left.count != right.count ? left.count < right.count : left.lexicographicallyPrecedes(right)
        }
        for name in names {
            Self.append(3, UInt64(name.utf8.count), to: &bytes)
            bytes += Array(name.utf8)
            switch self.values[name] {
            case .number(let number): Self.append(0, number, to: &bytes)
            case .bytes(let string):
                Self.append(2, UInt64(string.count), to: &bytes)
                bytes += string
            case .other(let other): bytes += other
            case nil: break
            }
        }
        return bytes
    }

    private static func append(_ major: UInt8, _ number: UInt64, to bytes: inout [UInt8]) {
        let length: Int
        switch number {
        case 0..<24:
            bytes.append(major << 5 | UInt8(number))
            return
        case 24...0xff: length = 0
        case 0x100...0xffff: length = 1
        case 0x1_0000...0xffff_ffff: length = 2
        default: length = 3
        }
        bytes.append(major << 5 | UInt8(24 + length))
        for byte in (0..<(1 << length)).reversed() { bytes.append(UInt8(truncatingIfNeeded: number >> UInt64(8 * byte))) }
    }
}

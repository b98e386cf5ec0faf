/// Writes QUIC frames as they stand in packets (RFC 9000, section 19), lawful or not.
struct QUICFrames {
    /// What a packet has room for.
    static let room = 1_100

    private(set) var bytes: [UInt8] = []

    var isEmpty: Bool { self.bytes.isEmpty }
    var isFull: Bool { self.bytes.count > Self.room }

    /// Bytes as they are; what does not fit is cut.
    mutating func raw(_ bytes: [UInt8]) { self.bytes += bytes.prefix(Self.room) }

    mutating func stream(_ id: UInt64, at offset: UInt64, _ content: [UInt8], isLast: Bool) {
        self.frame(isLast ? 0x0f : 0x0e, id, offset, UInt64(content.count))
        self.bytes += content
    }

    mutating func reset(_ id: UInt64, code: UInt64, size: UInt64) { self.frame(0x04, id, code, size) }

    mutating func stop(_ id: UInt64, code: UInt64) { self.frame(0x05, id, code) }

    /// MAX_DATA, MAX_STREAM_DATA or MAX_STREAMS, for `kind` 0 to 2; then what says that they were too small.
    mutating func credit(_ kind: UInt8, _ id: UInt64, _ limit: UInt64) {
        switch kind % 6 {
        case 0: self.frame(0x10, limit)
        case 1: self.frame(0x11, id, limit)
        case 2: self.frame(0x12, limit)
        case 3: self.frame(0x14, limit)
        case 4: self.frame(0x15, id, limit)
        default: self.frame(0x16, limit)
        }
    }

    /// NEW_CONNECTION_ID; the id's bytes and the token's are `name`.
    mutating func newID(_ number: UInt64, retiring prior: UInt64, length: UInt8, name: UInt8) {
        self.frame(0x18, number, prior)
        self.bytes += [length] + [UInt8](repeating: name, count: Int(length) + 16)
    }

    mutating func retireID(_ number: UInt64) { self.frame(0x19, number) }

    mutating func challenge(_ name: UInt8) {
        self.frame(0x1a)
        self.bytes += [UInt8](repeating: name, count: 8)
    }

    mutating func answer(_ name: UInt8) {
        self.frame(0x1b)
        self.bytes += [UInt8](repeating: name, count: 8)
    }

    /// One range: `count` packets before the largest, too.
    mutating func acknowledge(_ largest: UInt64, and count: UInt64) { self.frame(0x02, largest, 0, 0, count) }

    mutating func close(isApplication: Bool, code: UInt64, reason: [UInt8]) {
        if isApplication { self.frame(0x1d, code) } else { self.frame(0x1c, code, 0) }
        self.append(UInt64(reason.count))
        self.bytes += reason
    }

    private mutating func frame(_ type: UInt64, _ fields: UInt64...) {
        self.append(type)
        for field in fields { self.append(field) }
    }

    /// A variable-length integer (RFC 9000, section 16); what is above its limit is brought down to it.
    private mutating func append(_ value: UInt64) {
        let value = min(value, 1 << 62 - 1)
        let width = value < 1 << 6 ? 0 : value < 1 << 14 ? 1 : value < 1 << 30 ? 2 : 3
        let count = 1 << width
        let first = self.bytes.count
        self.bytes += (0..<count).map { UInt8(truncatingIfNeeded: value >> UInt64(8 * (count - 1 - $0))) }
        self.bytes[first] |= UInt8(width << 6)
    }
}

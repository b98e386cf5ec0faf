import NIOCore
import P2PProtobuf

/// What a relay lets pass over one circuit. Where it is said at all, the connection is a limited one.
public struct CircuitLimit: Sendable, Hashable {
    /// How long a circuit lives, in whole seconds on the wire; nil for as long as it likes.
    public var duration: Duration?
    /// Bytes in each direction; nil for any number.
    public var data: UInt64?

    /// A limit of time and of bytes in each direction; nil for none.
    public init(duration: Duration? = nil, data: UInt64? = nil) {
        self.duration = duration
        self.data = data
    }
}

extension CircuitLimit {
    private static let longest = UInt64(UInt32.max)

    /// Reads the message; zero is no limit of that kind.
    init(_ bytes: ByteBuffer) throws(RelayError) {
        var reader = WireReader(bytes)
        while let (field, value) = try reader.next() {
            switch (field, value) {
            case (1, .varint(let seconds)) where seconds <= Self.longest: self.duration = seconds == 0 ? nil : .seconds(Int64(seconds))
            case (1, .varint): throw WireReader.malformed("a circuit's time has more than 32 bits")
            case (2, .varint(let data)): self.data = data == 0 ? nil : data
            default: break
            }
        }
    }

    var encoded: [UInt8] {
        var writer = ProtobufWriter()
        writer.write(1, varint: self.duration.map { UInt64(clamping: $0.components.seconds) } ?? 0)
        writer.write(2, varint: self.data ?? 0)
        return writer.bytes
    }
}

extension CircuitLimit: CustomStringConvertible {
    /// As in `128 KiB each way and 120 s`.
    public var description: String {
        let data = self.data.map { "\(Self.text(ofBytes: $0)) each way" }
        let time = self.duration.map { "\($0.components.seconds) s" }
        return data.flatMap { data in time.map { "\(data) and \($0)" } ?? data } ?? time ?? "no limit that it tells"
    }

    static func text(ofBytes count: UInt64) -> String {
        if count >= 1 << 20, count % (1 << 20) == 0 { return "\(count >> 20) MiB" }
        if count >= 1 << 10, count % (1 << 10) == 0 { return "\(count >> 10) KiB" }
        return "\(count) bytes"
    }
}

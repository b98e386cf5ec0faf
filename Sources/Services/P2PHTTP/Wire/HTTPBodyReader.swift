import NIOCore

/// Takes a body out of what arrives, in whatever pieces, and not a byte behind it.
struct HTTPBodyReader: Sendable {
    /// What there is of a body.
    enum Piece: Sendable, Equatable {
        case bytes(ByteBuffer)
        /// More has to come.
        case more
        case end
    }

    /// The longest line of a chunk, its extensions included, in bytes.
    static let maximumLine = 256
    /// The longest trailer section, in bytes. Trailers are passed over.
    static let maximumTrailers = 8 * 1_024

    private enum State: Equatable {
        case length(UInt64)
        case untilEnd
        case chunkLine
        case chunk(UInt64)
        case chunkEnd
        case trailers
        case done
    }

    private var state: State
    private var line: [UInt8] = []
    private var trailerBytes = 0

    init(_ framing: HTTPFraming) {
        self.state =
            switch framing {
            case .none, .length(0): .done
            case .length(let length): .length(length)
            case .chunked: .chunkLine
            case .untilEnd: .untilEnd
            }
    }

    /// Whether all of the body has come.
    var isDone: Bool { self.state == .done }
    /// Whether the stream's end is the body's.
    var endsWithStream: Bool { self.state == .untilEnd || self.state == .done }

    /// The next piece; what is not the body's stays in `input`.
    mutating func next(_ input: inout ByteBuffer) throws(HTTPRefusal) -> Piece {
        while true {
            switch self.state {
            case .done: return .end
            case .untilEnd:
                guard input.readableBytes > 0 else { return .more }
                defer { input.clear() }
                return .bytes(input)
            case .length(let left):
                guard let bytes = Self.take(left, of: &input) else { return .more }
                let rest = left - UInt64(bytes.readableBytes)
                self.state = rest == 0 ? .done : .length(rest)
                return .bytes(bytes)
            case .chunkLine:
                guard let line = try self.readLine(&input) else { return .more }
                let size = try Self.size(line)
                self.state = size == 0 ? .trailers : .chunk(size)
            case .chunk(let left):
                guard let bytes = Self.take(left, of: &input) else { return .more }
                let rest = left - UInt64(bytes.readableBytes)
                self.state = rest == 0 ? .chunkEnd : .chunk(rest)
                return .bytes(bytes)
            case .chunkEnd:
                guard let line = try self.readLine(&input) else { return .more }
                guard line.isEmpty else { throw HTTPRefusal("a chunk is longer than it says") }
                self.state = .chunkLine
            case .trailers:
                guard let line = try self.readLine(&input) else { return .more }
                self.trailerBytes += line.count + 2
                guard self.trailerBytes <= Self.maximumTrailers else { throw HTTPRefusal(431, "the trailers of a body are too long") }
                if line.isEmpty { self.state = .done }
            }
        }
    }

    private static func take(_ left: UInt64, of input: inout ByteBuffer) -> ByteBuffer? {
        guard input.readableBytes > 0 else { return nil }
        return input.readSlice(length: Int(min(left, UInt64(input.readableBytes))))
    }

    /// A line without its end, which has to be a carriage return and a newline.
    private mutating func readLine(_ input: inout ByteBuffer) throws(HTTPRefusal) -> [UInt8]? {
        while let byte = input.readInteger(as: UInt8.self) {
            let follows = self.line.last == 0x0d
            if byte == 0x0a {
                guard follows else { throw HTTPRefusal("a line of a body ends without a carriage return") }
                defer { self.line = [] }
                return self.line.dropLast()
            }
            guard !follows else { throw HTTPRefusal("a line of a body holds a carriage return") }
            guard self.line.count < Self.maximumLine else { throw HTTPRefusal("a line of a chunked body is too long") }
            self.line.append(byte)
        }
        return nil
    }

    /// The size of a chunk: hexadecimal digits, and nothing behind them but an extension.
    private static func size(_ line: [UInt8]) throws(HTTPRefusal) -> UInt64 {
        let digits = line.prefix { (0x30...0x39).contains($0) || (0x41...0x46).contains($0) || (0x61...0x66).contains($0) }
        guard (1...15).contains(digits.count), let size = UInt64(String(decoding: digits, as: UTF8.self), radix: 16) else {
            throw HTTPRefusal("the size of a chunk is none")
        }
        let rest = line.dropFirst(digits.count).drop { $0 == 0x20 || $0 == 0x09 }
        guard rest.isEmpty || rest.first == UInt8(ascii: ";") else { throw HTTPRefusal("the size of a chunk is none") }
        return size
    }
}

package import NIOCore

/// Reads from a dialer's first message which application protocols it offers (RFC 8446, section 4.1.2; RFC 7301, section 3.1).
///
/// The library picks by the listener's preference, but the dialer's is the one that counts
/// (inlined-muxer-negotiation spec, "Multiplexer Negotiation over TLS"), so the list has to be known before the library is asked.
/// It reads, and judges nothing: whatever else is wrong with the message is the library's to find. Whoever feeds it bounds it.
package struct ClientHelloReader {
    package enum Progress: Equatable {
        /// There isn't all of it yet.
        case more
        /// What it offers, in the dialer's order; empty without the extension.
        case offers([[UInt8]])
        /// This is not the beginning of TLS.
        case unreadable
    }

    private static let recordHeader = 5
    private static let messageHeader = 4
    private static let handshakeRecord: UInt8 = 22
    private static let clientHello: UInt8 = 1
    private static let applicationProtocols: UInt16 = 16
    private static let maximumRecord = 16_384

    /// The message without the headers of the records that carry it.
    private var message: [UInt8] = []
    /// Bytes of the records that have been read: where the next one begins.
    package private(set) var offset = 0

    /// A reader at the beginning.
    package init() {}

    /// Looks at all that has arrived, from the first byte on.
    package mutating func read(_ bytes: ByteBufferView) -> Progress {
        while bytes.count - self.offset >= Self.recordHeader {
            let start = bytes.startIndex + self.offset
            let length = Int(bytes[start + 3]) << 8 | Int(bytes[start + 4])
            guard bytes[start] == Self.handshakeRecord, (1...Self.maximumRecord).contains(length) else { return .unreadable }
            guard bytes.count - self.offset - Self.recordHeader >= length else { break }
            let body = start + Self.recordHeader
            self.message.append(contentsOf: bytes[body..<body + length])
            self.offset += Self.recordHeader + length
            if let offers = self.offers() { return offers }
        }
        if bytes.count > self.offset, bytes[bytes.startIndex + self.offset] != Self.handshakeRecord { return .unreadable }
        return .more
    }

    /// What the message says, once it is complete.
    private func offers() -> Progress? {
        guard self.message.count >= Self.messageHeader else { return nil }
        guard self.message[0] == Self.clientHello else { return .unreadable }
        let length = self.message[1..<Self.messageHeader].reduce(0) { $0 << 8 | Int($1) }
        guard self.message.count >= Self.messageHeader + length else { return nil }
        var hello = Vectors(self.message[Self.messageHeader..<Self.messageHeader + length])
        // Version and random; session id; cipher suites; compression methods.
        guard hello.take(2 + 32) != nil, hello.vector(lengthBytes: 1) != nil, hello.vector(lengthBytes: 2) != nil,
            hello.vector(lengthBytes: 1) != nil
        else { return .unreadable }
        guard !hello.isEmpty else { return .offers([]) }
        guard let extensions = hello.vector(lengthBytes: 2) else { return .unreadable }
        return Self.offers(in: Vectors(extensions)).map { .offers($0) } ?? .unreadable
    }

    private static func offers(in extensions: consuming Vectors) -> [[UInt8]]? {
        while !extensions.isEmpty {
            guard let type = extensions.take(2), let body = extensions.vector(lengthBytes: 2) else { return nil }
            guard type.elementsEqual([UInt8(Self.applicationProtocols >> 8), UInt8(Self.applicationProtocols & 0xff)]) else { continue }
            var outer = Vectors(body)
            guard let list = outer.vector(lengthBytes: 2), outer.isEmpty else { return nil }
            var names = Vectors(list)
            var offers: [[UInt8]] = []
            while !names.isEmpty {
                guard let name = names.vector(lengthBytes: 1), !name.isEmpty else { return nil }
                offers.append(Array(name))
            }
            return offers
        }
        return []
    }
}

/// Takes apart bytes that are written as lengths and what they count (RFC 8446, section 3.4).
private struct Vectors {
    private var rest: ArraySlice<UInt8>

    init(_ bytes: ArraySlice<UInt8>) {
        self.rest = bytes
    }

    var isEmpty: Bool { self.rest.isEmpty }

    mutating func take(_ count: Int) -> ArraySlice<UInt8>? {
        guard count <= self.rest.count else { return nil }
        defer { self.rest = self.rest.dropFirst(count) }
        return self.rest.prefix(count)
    }

    mutating func vector(lengthBytes: Int) -> ArraySlice<UInt8>? {
        guard let length = self.take(lengthBytes) else { return nil }
        return self.take(length.reduce(0) { $0 << 8 | Int($1) })
    }
}

package import NIOCore
package import P2PCore
import P2PMultiformats

/// Protocols with their messages made once, so that a stream costs no text.
package struct NegotiationTable: Sendable {
    /// The first message of each side, in its frame.
    package static let header = frame("/multistream/1.0.0")
    /// The refusal, in its frame.
    package static let notAvailable = frame("na")

    package struct Entry: Sendable {
        package let protocolID: ProtocolID
        /// The name with its newline, in its frame.
        package let frame: ByteBuffer
        /// The name with its newline.
        package let token: ByteBuffer
        /// The header and the frame: a first flight, or its acceptance.
        package let opening: ByteBuffer
        /// What a lazy dialer waits for.
        package let expectation: LazyExpectation
    }

    /// In order of preference.
    package let entries: [Entry]

    /// Words that multistream-select says where a protocol's name would stand (multistream-select 1.0, "Messages").
    static let ownWords: [String] = ["na", "ls"]

    /// Why these can't all be proposed or served, if so: a peer would take such a name for something else.
    package static func objection(to protocols: [ProtocolID]) -> NegotiationError? {
        for protocolID in protocols {
            if Self.ownWords.contains(protocolID.name) {
                return NegotiationError(
                    .invalidName, "\"\(protocolID)\" can't be negotiated: the word is multistream-select's own; choose another name")
            }
            if ProtocolID(validating: protocolID.name) == nil {
                return NegotiationError(
                    .invalidName,
                    "\"\(protocolID.name.prefix(64))\" can't be negotiated: a name has 1 to \(ProtocolID.maximumLength) bytes, none of them a control character"
                )
            }
        }
        return nil
    }

    package init(_ protocols: [ProtocolID]) {
        self.entries = protocols.map(Self.entry)
    }

    package static func entry(_ protocolID: ProtocolID) -> Entry {
        let frame = Self.frame(protocolID.name)
        var opening = Self.header
        opening.writeImmutableBuffer(frame)
        var refusal = Self.header
        refusal.writeImmutableBuffer(Self.notAvailable)
        return Entry(
            protocolID: protocolID, frame: frame, token: ByteBuffer(string: protocolID.name + "\n"), opening: opening,
            expectation: LazyExpectation(of: protocolID, agreement: opening, refusal: refusal))
    }

    private init(entries: [Entry]) { self.entries = entries }

    /// The same without those protocols.
    package func without(_ protocols: Set<ProtocolID>) -> NegotiationTable {
        NegotiationTable(entries: self.entries.filter { !protocols.contains($0.protocolID) })
    }

    /// The entry whose name, with its newline, is `token`.
    func entry(matching token: ByteBuffer) -> Entry? {
        self.entries.first { $0.token == token }
    }

    /// The answer to `ls`: every name in a frame of its own, all in one (multistream-select 1.0, "Listing").
    func listing() -> ByteBuffer {
        var body = ByteBuffer()
        for entry in self.entries { body.writeImmutableBuffer(entry.frame) }
        body.writeInteger(UInt8(ascii: "\n"))
        var listing = ByteBuffer()
        listing.writeUnsignedVarint(UInt64(body.readableBytes))
        listing.writeImmutableBuffer(body)
        return listing
    }

    private static func frame(_ text: String) -> ByteBuffer {
        var buffer = ByteBuffer()
        buffer.writeUnsignedVarint(UInt64(text.utf8.count + 1))
        buffer.writeString(text)
        buffer.writeInteger(UInt8(ascii: "\n"))
        return buffer
    }
}

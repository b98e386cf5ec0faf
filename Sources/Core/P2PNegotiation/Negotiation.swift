package import NIOCore
package import P2PCore
import P2PMultiformats

/// Multistream-select 1.0 as a value, for connections and streams, in both roles.
///
/// Bytes in, bytes out, a verdict: it has no channel, no stream and no clock.
package struct Negotiation: ~Copyable {
    /// The longest message that is accepted, its newline included; go's limit.
    package static let maximumMessageLength = 1_024
    /// Proposals and requests for a list that a listener answers before it gives up on the peer.
    package static let maximumMessages = 32

    package enum Progress: ~Copyable {
        /// More bytes are needed.
        case more
        /// Agreed; what is left of the input belongs to the protocol.
        case agreed(ProtocolID)
        case failed(NegotiationError)
    }

    private enum State {
        case dialerAwaitsHeader(proposed: Int)
        case dialerAwaitsAnswer(proposed: Int)
        case listenerAwaitsHeader
        case listenerAwaitsProposal(answered: Int)
        case done
    }

    private var state: State
    private let table: NegotiationTable
    /// Our header is due; where the agreement follows at once, both are one buffer that was made before.
    private var owesHeader = false
    private let hasSaidHeader: Bool
    /// Whether a proposal was refused. A dialer that proposes a single protocol sends the application's bytes behind it: after a refusal,
    /// whatever is no message is no fault of the peer's.
    package private(set) var hasRefused = false

    /// The side that proposes.
    ///
    /// - Parameters:
    ///   - hasSaidHeader: whether this side's header was sent before.
    ///   - opening: receives the first flight, the header and the preferred proposal together.
    package init(proposing table: NegotiationTable, hasSaidHeader: Bool = false, opening: inout ByteBuffer) {
        self.table = table
        self.hasSaidHeader = hasSaidHeader
        self.state = .dialerAwaitsHeader(proposed: 0)
        if let first = table.entries.first {
            opening.writeImmutableBuffer(hasSaidHeader ? first.frame : first.opening)
        }
    }

    /// The side that chooses.
    ///
    /// - Parameter hasSaidHeader: whether this side's header was sent before.
    package init(accepting table: NegotiationTable, hasSaidHeader: Bool = false) {
        self.table = table
        self.hasSaidHeader = hasSaidHeader
        self.state = .listenerAwaitsHeader
    }

    /// Takes what has arrived so far; a message that is not whole yet is left in `input`.
    ///
    /// - Parameter reply: receives what is to be sent, also along with a verdict.
    package mutating func received(_ input: inout ByteBuffer, reply: inout ByteBuffer) -> Progress {
        while true {
            switch Self.nextToken(&input) {
            case .partial:
                self.payHeader(&reply)
                // Bytes that can't become the header say that nothing sensible will follow, such as those of a private network.
                guard !self.awaitsHeader || Self.mayBeginHeader(input) else {
                    return self.fail(
                        .malformed,
                        "the peer's first bytes are not multistream-select 1.0: it speaks something else, or is in a private network")
                }
                return .more
            case .failed(let error):
                self.payHeader(&reply)
                let isFirst = self.awaitsHeader
                self.state = .done
                return .failed(isFirst ? NegotiationError(error.code, "\(error.message). \(Self.strangeness)", cause: error.cause) : error)
            case .token(let token):
                switch self.received(token: token, reply: &reply) {
                case .more: continue
                case .agreed(let protocolID): return .agreed(protocolID)
                case .failed(let error): return .failed(error)
                }
            }
        }
    }

    private mutating func received(token: ByteBuffer, reply: inout ByteBuffer) -> Progress {
        switch self.state {
        case .dialerAwaitsHeader(let proposed):
            guard Self.isHeader(token) else {
                return self.fail(.malformed, "the peer answered with \(Self.quoted(token)), not multistream-select 1.0")
            }
            self.state = .dialerAwaitsAnswer(proposed: proposed)
            return .more

        case .dialerAwaitsAnswer(let proposed):
            guard proposed < self.table.entries.count else { return self.fail(.noCommonProtocol, "there was nothing to propose") }
            if token == self.table.entries[proposed].token {
                self.state = .done
                return .agreed(self.table.entries[proposed].protocolID)
            }
            guard Self.isNotAvailable(token) else {
                return self.fail(
                    .unexpectedAnswer, "the peer answered \(self.table.entries[proposed].protocolID) with \(Self.quoted(token))")
            }
            guard proposed + 1 < self.table.entries.count else {
                let names = self.table.entries.map(\.protocolID.name).joined(separator: ", ")
                return self.fail(.noCommonProtocol, "the peer speaks none of \(names)")
            }
            reply.writeImmutableBuffer(self.table.entries[proposed + 1].frame)
            self.state = .dialerAwaitsAnswer(proposed: proposed + 1)
            return .more

        case .listenerAwaitsHeader:
            guard Self.isHeader(token) else {
                return self.fail(.malformed, "the peer began with \(Self.quoted(token)), not multistream-select 1.0")
            }
            self.owesHeader = !self.hasSaidHeader
            self.state = .listenerAwaitsProposal(answered: 0)
            return .more

        case .listenerAwaitsProposal(let answered):
            if let entry = self.table.entry(matching: token) {
                if self.owesHeader, reply.readableBytes == 0 {
                    reply = entry.opening
                } else {
                    self.payHeader(&reply)
                    reply.writeImmutableBuffer(entry.frame)
                }
                self.state = .done
                return .agreed(entry.protocolID)
            }
            self.payHeader(&reply)
            guard answered < Self.maximumMessages else {
                return self.fail(
                    .tooManyMessages, "the peer asked \(answered + 1) times without agreement; at most \(Self.maximumMessages)")
            }
            let isListRequest = Self.isListRequest(token)
            self.hasRefused = self.hasRefused || !isListRequest
            reply.writeImmutableBuffer(isListRequest ? self.table.listing() : NegotiationTable.notAvailable)
            self.state = .listenerAwaitsProposal(answered: answered + 1)
            return .more

        case .done:
            return self.fail(.malformed, "a message came after the verdict")
        }
    }

    /// What a peer is likely to be that does not begin as it should.
    private static let strangeness = "It speaks something else, or is in a private network"

    private var awaitsHeader: Bool {
        switch self.state {
        case .dialerAwaitsHeader, .listenerAwaitsHeader: true
        case .dialerAwaitsAnswer, .listenerAwaitsProposal, .done: false
        }
    }

    /// Not before the length is whole, which has limits of its own.
    private static func mayBeginHeader(_ input: ByteBuffer) -> Bool {
        guard input.readableBytesView.contains(where: { $0 < 0x80 }) else { return true }
        return zip(input.readableBytesView, NegotiationTable.header.readableBytesView).allSatisfy { $0 == $1 }
    }

    private mutating func payHeader(_ reply: inout ByteBuffer) {
        guard self.owesHeader else { return }
        self.owesHeader = false
        reply.writeImmutableBuffer(NegotiationTable.header)
    }

    private mutating func fail(_ code: NegotiationError.Code, _ message: String) -> Progress {
        self.state = .done
        return .failed(NegotiationError(code, message))
    }

    // MARK: Messages

    private enum Token {
        case partial
        case token(ByteBuffer)
        case failed(NegotiationError)
    }

    /// Reads one whole message, its newline included.
    private static func nextToken(_ input: inout ByteBuffer) -> Token {
        let start = input.readerIndex
        let length: UInt64?
        do {
            length = try input.readUnsignedVarint()
        } catch {
            return .failed(NegotiationError(.malformed, "a message has no sound length prefix", cause: error))
        }
        guard let length else { return .partial }
        guard length <= UInt64(Self.maximumMessageLength) else {
            return .failed(
                NegotiationError(.messageTooLong, "a message of \(length) bytes was announced; at most \(Self.maximumMessageLength)"))
        }
        guard length > 0 else { return .failed(NegotiationError(.malformed, "a message is empty")) }
        guard let token = input.readSlice(length: Int(length)) else {
            input.moveReaderIndex(to: start)
            return .partial
        }
        let view = token.readableBytesView
        guard view.last == UInt8(ascii: "\n") else { return .failed(NegotiationError(.malformed, "a message does not end in a newline")) }
        let name = view.dropLast()
        let isASCII = name.allSatisfy { $0 >= 0x20 && $0 < 0x7f }
        guard isASCII || name.allSatisfy({ $0 >= 0x20 && $0 != 0x7f }) && String(validating: name, as: UTF8.self) != nil else {
            return .failed(NegotiationError(.malformed, "a message is not printable UTF-8"))
        }
        return .token(token)
    }

    private static let headerToken = ByteBuffer(string: "/multistream/1.0.0\n")
    private static let notAvailableToken = ByteBuffer(string: "na\n")
    private static let listToken = ByteBuffer(string: "ls\n")

    private static func isHeader(_ token: ByteBuffer) -> Bool { token == Self.headerToken }
    private static func isNotAvailable(_ token: ByteBuffer) -> Bool { token == Self.notAvailableToken }
    private static func isListRequest(_ token: ByteBuffer) -> Bool { token == Self.listToken }

    /// A peer's text for an error message: short, and without its newline.
    private static func quoted(_ token: ByteBuffer) -> String {
        "\"" + String(decoding: token.readableBytesView.dropLast().prefix(64), as: UTF8.self) + "\""
    }
}

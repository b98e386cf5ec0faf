import ArgumentParser
import HTTPTypes
import NIOCore
import P2P
import P2PCore
import P2PHTTP
import P2PMultiaddr

/// `p2p http get`.
struct HTTPGetCommand: ToolCommand {
    static let configuration = CommandConfiguration(
        commandName: "get",
        abstract: "Ask a peer for a resource, and print it.",
        discussion: """
            The address may name the resource (/http-path/, with a slash as %2F). Ends with 0 for a status below 400, and with 1 otherwise. With \
            --json, an event has the status and the fields, and the body is not printed.
              p2p http get /ip4/192.0.2.1/tcp/4001/p2p/12D3Koo.../http-path/docs%2Findex.html
            """)

    @OptionGroup var target: TargetOptions

    @Option(help: ArgumentHelp("What the peer serves HTTP as.", valueName: "protocol"), transform: HTTPServeCommand.protocolID)
    var `protocol`: ProtocolID = .http

    @OptionGroup var node: NodeOptions
    @OptionGroup var output: OutputOptions

    /// Where the peer is, and the path of the resource.
    static func split(_ address: Multiaddr) throws -> (address: Multiaddr, path: String) {
        let components = address.components
        guard let last = components.last, last.protocol == .httpPath else { return (address, "/") }
        let path = String(decoding: last.value, as: UTF8.self)
        return (try Multiaddr(Array(components.dropLast())), path.hasPrefix("/") ? path : "/" + path)
    }

    func execute(_ console: Console) async throws {
        let (address, path) = try Self.split(self.target.address)
        let (protocolID, target) = (self.protocol, self.target)
        let status = try await NodeSession.run(self.node) { session in
            guard address.peerID != nil || target.anyPeer else {
                throw ToolError("peerRequired", "\(address) does not say which peer to expect: add /p2p/ and its id, or say --any-peer")
            }
            try await target.meeting.meet(session, at: target.listen)
            let connection = try await session.connect(to: address)
            let answer = try await connection.http(HTTPRequest(method: .get, scheme: nil, authority: nil, path: path), as: protocolID)
            var size: UInt64 = 0
            while let piece = try await answer.body.next() {
                size += UInt64(piece.readableBytes)
                if !console.speaksJSON { try await console.write(piece) }
            }
            if console.speaksJSON {
                var fields = JSONObject()
                for field in answer.head.headerFields { fields.append(field.name.canonicalName, .string(field.value)) }
                try await console.emit(
                    [
                        "event": "response", "status": .integer(answer.head.status.code), "bytes": .unsigned(size),
                        "fields": .object(fields),
                    ], nil)
            }
            return answer.head.status
        }
        guard status.code < 400 else { throw ToolError("httpStatus", "the peer answered \(status.code) \(status.reasonPhrase)") }
    }
}

import HTTPTypes
import NIOCore
public import P2PCore

/// Several application protocols on one HTTP service, each below a path, with the map of them where peers look for it:
/// `/.well-known/libp2p/protocols` (libp2p specs, "http").
public struct HTTPMounts: HTTPResponder {
    /// Where the map is.
    public static let wellKnown = "/.well-known/libp2p/protocols"
    /// The longest map that is read, in bytes.
    public static let maximumMap = 8 * 1_024

    private struct Mount: Sendable {
        let protocolID: ProtocolID
        let path: String
        let responder: any HTTPResponder
    }

    private var mounts: [Mount] = []

    /// Nothing but an empty map.
    public init() {}

    /// Serves a protocol below a path; the responder sees paths without it.
    ///
    /// - Parameter path: begins and ends with a slash; nil is the protocol's name and a slash.
    public mutating func mount(_ protocolID: ProtocolID, at path: String? = nil, _ responder: any HTTPResponder) {
        var path = path ?? protocolID.name + "/"
        if !path.hasPrefix("/") { path = "/" + path }
        if !path.hasSuffix("/") { path += "/" }
        self.mounts.append(Mount(protocolID: protocolID, path: path, responder: responder))
        // The more specific one comes first.
        self.mounts.sort { $0.path.utf8.count > $1.path.utf8.count }
    }

    /// Answers with the map, or with the responder of the longest path that fits.
    public func respond(to request: HTTPPeerRequest) async throws -> HTTPPeerResponse {
        let target = request.head.path ?? "/"
        let path = target.prefix { $0 != "?" }
        if path == Self.wellKnown { return self.map(for: request) }
        for mount in self.mounts {
            guard path.hasPrefix(mount.path) || path + "/" == mount.path else { continue }
            var inner = request
            let rest = target.dropFirst(min(mount.path.count - 1, path.count))
            inner.head.path = rest.hasPrefix("/") ? String(rest) : "/" + rest
            return try await mount.responder.respond(to: inner)
        }
        return .text(.notFound, "nothing is here")
    }

    private func map(for request: HTTPPeerRequest) -> HTTPPeerResponse {
        guard request.head.method == .get || request.head.method == .head else {
            return HTTPPeerResponse(HTTPResponse(status: .methodNotAllowed, headerFields: [.allow: "GET, HEAD"]))
        }
        let accepted = request.head.headerFields[values: .accept].joined(separator: ",").lowercased()
        guard accepted.isEmpty || ["*/*", "application/*", "application/json"].contains(where: accepted.contains) else {
            return .text(.notAcceptable, "the map of protocols is application/json")
        }
        return HTTPPeerResponse(HTTPResponse(status: .ok, headerFields: [.contentType: "application/json"]), .text(self.mapText))
    }

    /// The map as go and js send and read it: bare.
    var mapText: String {
        let entries = self.mounts.map { ($0.protocolID.name, $0.path) }.sorted { $0.0 < $1.0 }
        return "{" + entries.map { "\"\(Self.escaped($0))\":{\"path\":\"\(Self.escaped($1))\"}" }.joined(separator: ",") + "}"
    }

    private static func escaped(_ text: String) -> String {
        text.reduce(into: "") { text, character in
            if character == "\"" || character == "\\" { text += "\\" }
            text.append(character)
        }
    }
}

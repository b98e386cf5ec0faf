public import P2PCore

/// What a node was told of its proxy: a URL, or a variable of the environment, which is not read before a dial needs it. A variable that makes
/// no sense costs those dials, and nothing else.
public struct ProxySetting: Sendable, Hashable {
    private enum Source: Hashable {
        case url(ProxyURL)
        case variable(name: String, text: String)
    }

    private let source: Source

    /// This proxy.
    public init(_ url: ProxyURL) {
        self.source = .url(url)
    }

    private init(variable name: String, _ text: String) {
        self.source = .variable(name: name, text: text)
    }

    /// The customary variables that name a proxy, the first that is set counts.
    ///
    /// `HTTP_PROXY` is none: where a web server starts programs, a request's `Proxy` field sets it.
    public static let environmentNames = ["all_proxy", "ALL_PROXY", "https_proxy", "HTTPS_PROXY", "http_proxy"]

    /// What the customary variables say; ``ProxyBypass/inEnvironment(_:)`` is what they except. Nil when none is set.
    public static func inEnvironment(_ environment: [String: String]) -> ProxySetting? {
        for name in Self.environmentNames {
            guard let text = environment[name], text.contains(where: { !$0.isWhitespace }) else { continue }
            return ProxySetting(variable: name, text)
        }
        return nil
    }

    /// Whether nothing at all may go around it. So it is for a proxy that somebody asked this node for; the environment's variables are meant for
    /// every program, and govern what can go through a proxy.
    public var confines: Bool { if case .url = self.source { true } else { false } }

    /// The proxy as messages name it, whether it makes sense or not.
    public var name: String {
        switch self.source {
        case .url: "the proxy"
        case .variable(let name, _): "the proxy of the environment's \(name)"
        }
    }

    /// The proxy.
    ///
    /// - Throws: ``TransportError/Code/invalidAddress``; the message names the variable and repeats nothing of what it says, which may be a
    ///   password.
    public func url() throws(TransportError) -> ProxyURL {
        switch self.source {
        case .url(let url): return url
        case .variable(let name, let text):
            do throws(TransportError) {
                return try ProxyURL(text)
            } catch {
                throw TransportError(
                    error.code, "the environment's \(name) names no proxy that can be used: \(error.message)", cause: error.cause)
            }
        }
    }
}

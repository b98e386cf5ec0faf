/// The version of this package, as identify tells it.
enum ToolVersion {
    static let current = "0.1.0"

    /// With the package traits that it was built with, as `--version` tells it: what is missing without one is for others to say.
    static var withTraits: String {
        let traits = Self.traits
        return "\(Self.current) (\(traits.isEmpty ? "no package traits" : "package traits: \(traits.joined(separator: ", "))"))"
    }

    private static var traits: [String] {
        var names: [String] = []
        #if CAres
            names.append("CAres")
        #endif
        #if OpenSSL
            names.append("OpenSSL")
        #endif
        #if QUIC
            names.append("QUIC")
        #endif
        #if ServiceLifecycle
            names.append("ServiceLifecycle")
        #endif
        #if Sodium
            names.append("Sodium")
        #endif
        #if SQLite
            names.append("SQLite")
        #endif
        #if TLS
            names.append("TLS")
        #endif
        return names
    }
}

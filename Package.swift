// swift-tools-version: 6.2
import PackageDescription

// Every target builds under the same rules; see Specs/Architecture.md, "Settings".
let settings: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
]

let nioCore = Target.Dependency.product(name: "NIOCore", package: "swift-nio")
let nioPosix = Target.Dependency.product(name: "NIOPosix", package: "swift-nio")
let nioEmbedded = Target.Dependency.product(name: "NIOEmbedded", package: "swift-nio")
let nioWebSocket = Target.Dependency.product(name: "NIOWebSocket", package: "swift-nio")
let nioHTTP2 = Target.Dependency.product(name: "NIOHTTP2", package: "swift-nio-http2")
let nioHPACK = Target.Dependency.product(name: "NIOHPACK", package: "swift-nio-http2")
let nioHTTP1 = Target.Dependency.product(name: "NIOHTTP1", package: "swift-nio")
let crypto = Target.Dependency.product(name: "Crypto", package: "swift-crypto")
let cryptoExtras = Target.Dependency.product(name: "CryptoExtras", package: "swift-crypto")
let logging = Target.Dependency.product(name: "Logging", package: "swift-log")
let lifecycle = Target.Dependency.product(
    name: "ServiceLifecycle", package: "swift-service-lifecycle", condition: .when(traits: ["ServiceLifecycle"]))
let unixSignals = Target.Dependency.product(name: "UnixSignals", package: "swift-service-lifecycle")
let argumentParser = Target.Dependency.product(name: "ArgumentParser", package: "swift-argument-parser")
let x509 = Target.Dependency.product(name: "X509", package: "swift-certificates")
let asn1 = Target.Dependency.product(name: "SwiftASN1", package: "swift-asn1")
let coreMetrics = Target.Dependency.product(name: "CoreMetrics", package: "swift-metrics")
let tracing = Target.Dependency.product(name: "Tracing", package: "swift-distributed-tracing")
let inMemoryTracing = Target.Dependency.product(name: "InMemoryTracing", package: "swift-distributed-tracing")
let nioSSL = Target.Dependency.product(name: "NIOSSL", package: "swift-nio-ssl")
let optionalNIOSSL = Target.Dependency.product(name: "NIOSSL", package: "swift-nio-ssl", condition: .when(traits: ["TLS"]))
let nioTLS = Target.Dependency.product(name: "NIOTLS", package: "swift-nio")
let httpTypes = Target.Dependency.product(name: "HTTPTypes", package: "swift-http-types")
let libsodium = Target.Dependency.target(name: "CLibsodium", condition: .when(traits: ["Sodium"]))
let grdb = Target.Dependency.product(name: "GRDB", package: "GRDB.swift", condition: .when(traits: ["SQLite"]))
let libcares = Target.Dependency.target(name: "CCAres", condition: .when(traits: ["CAres"]))
let libcrypto = Target.Dependency.target(name: "CLibcrypto", condition: .when(traits: ["OpenSSL"]))
let ngtcp2 = Target.Dependency.target(name: "CNgtcp2Shim", condition: .when(traits: ["QUIC"]))

// Debian packages ngtcp2 with GnuTLS, Homebrew with OpenSSL; the shim speaks to either, and P2P_QUIC_TLS says to which.
let ngtcp2UsesOpenSSL: Bool
switch Context.environment["P2P_QUIC_TLS"] {
case "openssl": ngtcp2UsesOpenSSL = true
case "gnutls": ngtcp2UsesOpenSSL = false
case nil:
    #if os(macOS)
        ngtcp2UsesOpenSSL = true
    #else
        ngtcp2UsesOpenSSL = false
    #endif
case .some(let other): fatalError("P2P_QUIC_TLS is '\(other)'; it has to be openssl or gnutls")
}
let ngtcp2Package = ngtcp2UsesOpenSSL ? "libngtcp2_crypto_ossl" : "libngtcp2_crypto_gnutls"
let ngtcp2Libraries =
    ngtcp2UsesOpenSSL ? ["ngtcp2_crypto_ossl", "ngtcp2", "ssl", "crypto"] : ["ngtcp2_crypto_gnutls", "ngtcp2", "gnutls"]

/// What P2PCore and the primitives below it are called in a dependency list.
let core: [Target.Dependency] = ["P2PCore", "P2PMultiaddr", "P2PIdentity", "P2PMultiformats", nioCore, logging]

/// A library target in one of the rooms of the house.
func room(_ folder: String, _ name: String, _ dependencies: [Target.Dependency], exclude: [String] = []) -> Target {
    .target(
        name: name, dependencies: dependencies, path: "Sources/\(folder)/\(name)", exclude: exclude,
        swiftSettings: settings)
}

/// The tests of one target, in the folder that mirrors it.
func tests(_ folder: String, _ name: String, _ dependencies: [Target.Dependency]) -> Target {
    .testTarget(
        name: "\(name)Tests", dependencies: [.target(name: name)] + dependencies,
        path: "Tests/\(folder)/\(name)Tests", swiftSettings: settings)
}

let package = Package(
    name: "swift-p2p",
    platforms: [.macOS(.v15), .iOS(.v18), .tvOS(.v18), .watchOS(.v11), .visionOS(.v2)],
    products: [
        .library(name: "P2P", targets: ["P2P"]),
        .library(
            name: "P2PPrimitives", targets: ["P2PMultiformats", "P2PIdentity", "P2PMultiaddr"]),
        .library(
            name: "P2PContracts", targets: ["P2PCore", "P2PNegotiation", "P2PPipeline"]),
        // What a host of one's own choice of modules is made of: PeerHost.make(identity:modules:).
        .library(
            name: "P2PStack",
            targets: [
                "P2PHost", "P2PPipeline", "P2PNoise", "P2PTLS", "P2PYamux", "P2PMplex", "P2PTCP", "P2PWebSocket", "P2PProxy", "P2PWebTLS",
                "P2PQUIC",
                "P2PIdentify", "P2PPing",
            ]),
        .library(name: "P2PPolicy", targets: ["P2PPolicy"]),
        // What an operator sees: metrics for any backend of swift-metrics, and for Prometheus, and traces.
        .library(name: "P2POperations", targets: ["P2PMetrics", "P2PPrometheus", "P2PTracing"]),
        .library(name: "P2PTunnels", targets: ["P2PTunnels"]),
        .library(name: "P2PHTTP", targets: ["P2PHTTP"]),
        .library(name: "P2PHTTP2", targets: ["P2PHTTP2"]),
        // Plain TCP, TLS and UDP, without anything of peers in it.
        .library(name: "P2PSockets", targets: ["P2PSockets"]),
        // WebSockets in their shape.
        .library(name: "P2PWebSocketListener", targets: ["P2PWebSocketListener"]),
        // Sockets under the rules of P2PPolicy.
        .library(name: "P2PSocketPolicy", targets: ["P2PSocketPolicy"]),
        .library(name: "P2PTesting", targets: ["P2PTesting"]),
        // What Fuzz/ runs: of no use to anybody else.
        .library(name: "P2PFuzzing", targets: ["P2PFuzzing"]),
        .executable(name: "p2p", targets: ["P2PTool"]),
    ],
    traits: [
        .trait(name: "OpenSSL", description: "libcrypto from the system: in-place AEAD for Noise, and secp256k1 keys."),
        .trait(name: "Sodium", description: "libsodium from the system: private networks (pre-shared key)."),
        .trait(name: "QUIC", description: "ngtcp2 and its TLS library from the system: the transport QUIC."),
        .trait(name: "SQLite", description: "GRDB over the system's SQLite: a peerstore that outlasts the process."),
        .trait(name: "CAres", description: "c-ares from the system: addresses that name a list in DNS (/dnsaddr)."),
        // On by default, since they need nothing of the system; without them an application builds more than a third less.
        .trait(name: "TLS", description: "swift-nio-ssl: TLS beside Noise, secure WebSockets, https:// proxies."),
        .trait(name: "ServiceLifecycle", description: "swift-service-lifecycle: a host is a Service among others."),
        .default(enabledTraits: ["TLS", "ServiceLifecycle"]),
        .trait(
            name: "Full", description: "Every optional part.",
            enabledTraits: ["OpenSSL", "Sodium", "QUIC", "SQLite", "CAres", "TLS", "ServiceLifecycle"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.0"),
        .package(url: "https://github.com/apple/swift-nio-ssl", from: "2.37.0"),
        .package(url: "https://github.com/apple/swift-nio-http2", from: "1.45.0"),
        .package(url: "https://github.com/apple/swift-crypto", from: "4.5.0"),
        .package(url: "https://github.com/apple/swift-asn1", from: "1.7.0"),
        .package(url: "https://github.com/apple/swift-certificates", from: "1.21.0"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.0"),
        .package(url: "https://github.com/apple/swift-metrics", from: "2.13.0"),
        .package(url: "https://github.com/apple/swift-distributed-tracing", from: "1.7.0"),
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.0"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
        .package(url: "https://github.com/apple/swift-http-types", from: "1.8.0"),
        .package(url: "https://github.com/groue/GRDB.swift", from: "7.10.0"),
    ],
    targets: [
        // Primitives
        room("Primitives", "P2PMultiformats", [nioCore]),
        room(
            "Primitives", "P2PIdentity",
            ["P2PMultiformats", "P2PProtobuf", nioCore, crypto, cryptoExtras, libcrypto]),
        room("Primitives", "P2PMultiaddr", ["P2PMultiformats", "P2PIdentity"]),
        room("Primitives", "P2PHTTPHead", [nioCore]),
        room("Primitives", "P2PProtobuf", [nioCore]),
        room("Primitives", "P2PSystem", [nioCore]),
        .systemLibrary(
            name: "CLibcrypto", path: "Sources/Primitives/CLibcrypto", pkgConfig: "libcrypto",
            providers: [.apt(["libssl-dev"]), .brew(["openssl@3"])]),

        // Core
        room("Core", "P2PCore", ["P2PMultiaddr", "P2PIdentity", "P2PMultiformats", nioCore, logging]),
        room("Core", "P2PNegotiation", core),
        room("Core", "P2PMuxing", core),
        room("Core", "P2PPipeline", core + ["P2PNegotiation", "P2PMuxing"]),

        // Below the waterline
        room("Security", "P2PNoise", core + ["P2PPipeline", "P2PProtobuf", crypto, libcrypto]),
        room("Security", "P2PCertificate", core + [crypto, cryptoExtras, asn1, x509]),
        room("Security", "P2PTLS", core + ["P2PPipeline", "P2PCertificate", optionalNIOSSL, nioTLS]),
        room("Security", "P2PPrivateNetwork", core + ["P2PNegotiation", "P2PPipeline", libsodium]),
        .systemLibrary(
            name: "CLibsodium", path: "Sources/Security/CLibsodium", pkgConfig: "libsodium",
            providers: [.apt(["libsodium-dev"]), .brew(["libsodium"])]),
        room("Security", "P2PPlaintext", core + ["P2PPipeline", "P2PProtobuf"]),
        room("Muxers", "P2PYamux", core + ["P2PMuxing", "P2PPipeline"]),
        room("Muxers", "P2PMplex", core + ["P2PMuxing", "P2PPipeline"]),
        room("Transports", "P2PNames", core + ["P2PSystem", nioPosix]),
        .target(name: "CSockets", path: "Sources/Transports/CSockets"),
        room("Transports", "P2PTCP", core + ["P2PPipeline", "P2PNames", "P2PSystem", "CSockets", nioPosix]),
        room("Transports", "P2PWebTLS", core + ["P2PPipeline", optionalNIOSSL, nioTLS, x509, asn1]),
        room("Transports", "P2PWebSocket", core + ["P2PPipeline", "P2PHTTPHead", "P2PWebTLS", crypto, optionalNIOSSL]),
        room("Transports", "P2PProxy", core + ["P2PPipeline", "P2PHTTPHead", "P2PWebTLS"]),
        room("Transports", "P2PMemory", core + ["P2PPipeline"]),
        room("Transports", "P2PQUIC", core + [nioPosix, ngtcp2, "P2PMuxing", "P2PCertificate", "P2PNames"]),
        .target(
            name: "CNgtcp2Shim", dependencies: [.target(name: "CNgtcp2", condition: .when(traits: ["QUIC"]))],
            path: "Sources/Transports/CNgtcp2Shim", cSettings: ngtcp2UsesOpenSSL ? [.define("QUIC_TLS_OPENSSL")] : [],
            linkerSettings: ngtcp2Libraries.map { .linkedLibrary($0, .when(traits: ["QUIC"])) }),
        .systemLibrary(
            name: "CNgtcp2", path: "Sources/Transports/CNgtcp2", pkgConfig: ngtcp2Package,
            providers: [.apt(["libngtcp2-dev", "libngtcp2-crypto-gnutls-dev", "libgnutls28-dev"]), .brew(["libngtcp2"])]),

        // Plain sockets, without anything of peers in them
        room("Sockets", "P2PSockets", ["P2PSystem", nioCore, nioPosix, nioSSL, nioTLS]),
        room("Sockets", "P2PSocketPolicy", ["P2PSockets", "P2PPolicy", "P2PMultiaddr"]),

        // Discovery
        room("Discovery", "P2PMDNS", core + [nioPosix]),
        room("Discovery", "P2PBootstrap", core),
        room("Discovery", "P2PResolver", core + [nioPosix, libcares]),
        .systemLibrary(
            name: "CCAres", path: "Sources/Discovery/CCAres", pkgConfig: "libcares",
            providers: [.apt(["libc-ares-dev"]), .brew(["c-ares"])]),

        // Reachability
        room("Reachability", "P2PReachability", core),
        room("Reachability", "P2PAutoNAT", core + ["P2PReachability", "P2PProtobuf"]),
        room("Reachability", "P2PPortMapping", core + ["P2PReachability", "P2PHTTPHead", nioPosix]),

        // Routing
        room("Routing", "P2PKademlia", core + ["P2PProtobuf", crypto]),
        room("Routing", "P2PRendezvous", core + ["P2PProtobuf"]),

        // Above it
        room("Host", "P2PSwarm", core),
        room("Host", "P2PHost", core + ["P2PSwarm", "P2PNegotiation", lifecycle]),
        room("Host", "P2PPeerstoreSQLite", core + [grdb]),
        room("Routing", "P2PKademliaSQLite", core + ["P2PKademlia", "P2PPeerstoreSQLite", grdb]),
        room("Host", "P2PPolicy", core),
        room("Operations", "P2PMetrics", core + [coreMetrics]),
        room("Operations", "P2PPrometheus", [coreMetrics, nioCore, nioPosix, "P2PHTTPHead"]),
        room("Operations", "P2PTracing", core + [tracing]),
        room("Services", "P2PTunnels", core + ["P2PNames", "P2PSystem", "P2PPolicy", "P2PWebSocket", nioPosix]),
        room("Services", "P2PHTTP", core + ["P2PHTTPHead", "P2PTunnels", crypto, httpTypes]),
        room("Services", "P2PHTTP2", core + ["P2PHTTP", "P2PPipeline", httpTypes, nioHTTP2, nioHPACK, nioPosix]),
        room(
            "Services", "P2PWebSocketListener",
            ["P2P", "P2PSockets", "P2PWebSocket", "P2PPortMapping", "P2PMultiaddr", nioCore]),
        room("Protocols", "P2PIdentify", core + ["P2PProtobuf"]),
        room("Protocols", "P2PPing", core),
        room("Protocols", "P2PRelay", core + ["P2PPipeline", "P2PPing", "P2PProtobuf"]),
        room("Protocols", "P2PEcho", core),
        room("Protocols", "P2PPerf", core),
        room("Protocols", "P2PFetch", core + ["P2PProtobuf"]),
        room("Protocols", "P2PRequestResponse", core),
        room(
            "Testing", "P2PTesting",
            core + ["P2PPipeline", "P2PHost", nioEmbedded]),
        room("Testing", "P2PProtocolTesting", core),
        room("Testing", "P2PVectors", []),
        room(
            "Testing", "P2PFuzzing",
            core + [
                "P2PNegotiation", "P2PMuxing", "P2PPipeline", "P2PNoise", "P2PPrivateNetwork", "P2PCertificate", "P2PTLS", "P2PYamux",
                "P2PIdentify",
                crypto, cryptoExtras, nioEmbedded,
                "P2PPlaintext", "P2PMplex", "P2PQUIC", "P2PMDNS", "P2PResolver", "P2PWebSocket", "P2PProxy", "P2PHTTPHead", "P2PTCP",
                "P2PKademlia", "P2PRendezvous", "P2PFetch", "P2PRelay", "P2PAutoNAT", "P2PPortMapping",
                .target(name: "CNgtcp2Peer", condition: .when(traits: ["QUIC"])),
            ]),
        .target(
            name: "CNgtcp2Peer", dependencies: ["CNgtcp2Shim"], path: "Sources/Testing/CNgtcp2Peer",
            cSettings: [.headerSearchPath("../../Transports/CNgtcp2Shim")]),
        .executableTarget(
            name: "P2PWebSocketEcho",
            dependencies: core + ["P2PPipeline", "P2PTCP", "P2PWebSocket", argumentParser],
            path: "Sources/Testing/P2PWebSocketEcho", swiftSettings: settings),
        .executableTarget(
            name: "P2PRelayLoad", dependencies: core + ["P2P", argumentParser], path: "Sources/Testing/P2PRelayLoad",
            swiftSettings: settings),
        .target(
            name: "P2P",
            dependencies: core + [
                "P2PPipeline", "P2PNoise", "P2PTLS", "P2PPrivateNetwork", "P2PYamux", "P2PTCP", "P2PQUIC",
                "P2PSwarm", "P2PHost", "P2PWebSocket", "P2PProxy", "P2PWebTLS",
                "P2PIdentify", "P2PPing", "P2PEcho", "P2PPerf", "P2PRelay", nioPosix,
                "P2PPlaintext", "P2PMplex", "P2PMDNS", "P2PBootstrap", "P2PResolver", "P2PPeerstoreSQLite",
                "P2PReachability", "P2PAutoNAT", "P2PPortMapping",
                "P2PKademlia", "P2PKademliaSQLite", "P2PRendezvous", "P2PFetch", "P2PRequestResponse",
            ],
            path: "Sources/P2P", swiftSettings: settings),
        .executableTarget(
            name: "P2PTool",
            dependencies: core + [
                "P2P", "P2PSystem", "P2PPipeline", "P2PPolicy", "P2PTunnels", "P2PHTTP", "P2PMetrics", "P2PPrometheus", httpTypes,
                coreMetrics, argumentParser, nioPosix,
            ],
            path: "Sources/Tool/P2PTool", swiftSettings: settings),

        // Tests
        tests("Fuzz", "P2PFuzzing", core + ["P2PQUIC", nioEmbedded]),
        tests("Primitives", "P2PMultiformats", ["P2PVectors", nioCore, crypto]),
        tests("Primitives", "P2PIdentity", ["P2PMultiformats", "P2PVectors", crypto, cryptoExtras]),
        tests("Primitives", "P2PHTTPHead", [nioCore]),
        tests("Primitives", "P2PSystem", [nioCore]),
        tests("Primitives", "P2PMultiaddr", ["P2PMultiformats", "P2PIdentity", "P2PVectors"]),
        .testTarget(
            name: "P2PTests",
            dependencies: ["P2P", "P2PSwarm", "P2PPipeline", "P2PProtocolTesting", nioCore, lifecycle, unixSignals, logging],
            path: "Tests/P2PTests",
            swiftSettings: settings),
        tests("Host", "P2PSwarm", core + ["P2PTesting"]),
        tests("Host", "P2PPolicy", core + ["P2PHost", "P2PTesting"]),
        tests("Operations", "P2PMetrics", core + [coreMetrics, "P2PPrometheus", "P2PHost", "P2PSwarm", "P2PTesting"]),
        tests("Operations", "P2PPrometheus", [coreMetrics, nioCore, nioPosix, "P2PHTTPHead"]),
        tests("Operations", "P2PTracing", [tracing, inMemoryTracing, "P2P", "P2PHost", "P2PTesting"]),
        tests("Host", "P2PHost", core + ["P2PSwarm", "P2PTesting", nioPosix, lifecycle]),
        tests("Sockets", "P2PSocketPolicy", ["P2PSockets", "P2PPolicy"]),
        tests(
            "Sockets", "P2PSockets",
            ["P2PCore", "P2PProtocolTesting", "P2PWebSocket", "P2PWebSocketListener", "P2PPortMapping", nioCore, crypto]),
        tests("Discovery", "P2PMDNS", core + ["P2PTesting", "P2PVectors"]),
        tests("Discovery", "P2PBootstrap", core + ["P2PProtocolTesting"]),
        tests("Discovery", "P2PResolver", core),
        tests("Reachability", "P2PReachability", core),
        tests("Reachability", "P2PAutoNAT", core + ["P2PProtocolTesting"]),
        tests("Reachability", "P2PPortMapping", core),
        tests("Primitives", "P2PProtobuf", [nioCore]),
        tests("Routing", "P2PKademlia", core + ["P2PTesting", "P2PProtocolTesting", "P2PHost", "P2PIdentify", "P2PSwarm"]),
        tests("Routing", "P2PKademliaSQLite", core + ["P2PKademlia", grdb]),
        tests("Routing", "P2PRendezvous", core + ["P2PTesting", "P2PHost", "P2PIdentify"]),
        tests("Protocols", "P2PFetch", core + ["P2PProtocolTesting"]),
        tests("Protocols", "P2PRequestResponse", core + ["P2PProtocolTesting"]),
        tests("Host", "P2PPeerstoreSQLite", core + [grdb, "P2PSwarm", "P2PTesting"]),
        tests("Services", "P2PHTTP2", core + ["P2PHTTP", "P2PTunnels", "P2PProtocolTesting", httpTypes, nioHPACK]),
        tests("Services", "P2PHTTP", core + ["P2PHTTPHead", "P2PTunnels", "P2PProtocolTesting", httpTypes]),
        tests("Services", "P2PTunnels", core + ["P2PProtocolTesting", "P2PPolicy", "P2PMemory", "P2PWebSocket", nioPosix, nioEmbedded]),
        tests("Protocols", "P2PPing", core + ["P2PProtocolTesting"]),
        tests(
            "Protocols", "P2PRelay",
            core + ["P2PPipeline", "P2PProtocolTesting", "P2PHost", "P2PMemory", "P2PNoise", "P2PYamux", nioPosix]),
        tests("Protocols", "P2PEcho", core + ["P2PProtocolTesting"]),
        tests("Protocols", "P2PPerf", core + ["P2PProtocolTesting"]),
        tests("Protocols", "P2PIdentify", core + ["P2PProtocolTesting", "P2PProtobuf"]),
        tests("Tool", "P2PTool", core + ["P2PPipeline", "P2PTunnels", argumentParser]),
        tests("Transports", "P2PTCP", ["P2PCore", "P2PPipeline", "P2PNames", "P2PMultiaddr", nioCore, nioPosix, logging]),
        tests("Core", "P2PCore", Array(core.dropFirst()) + [nioEmbedded, nioPosix, "P2PTesting"]),
        tests("Core", "P2PMuxing", core + [nioEmbedded, "P2PTesting"]),
        tests("Core", "P2PNegotiation", core + [nioEmbedded]),
        tests(
            "Core", "P2PPipeline",
            core + ["P2PMemory", "P2PNoise", "P2PYamux", nioEmbedded, nioPosix, nioHTTP1]),
        tests(
            "Testing", "P2PTesting",
            core + [
                "P2PPipeline", "P2PMemory", "P2PNoise", "P2PTLS", "P2PPrivateNetwork", "P2PYamux", "P2PTCP", nioPosix,
                "P2PPlaintext", "P2PMplex", "P2PWebSocket", "P2PHost", "P2PPing", "P2PIdentify",
            ]),
        tests("Transports", "P2PQUIC", core + [nioPosix, "P2PTesting", "P2PMuxing", ngtcp2]),
        tests("Transports", "P2PWebTLS", ["P2PMultiaddr", asn1, x509]),
        tests("Transports", "P2PProxy", core + ["P2PPipeline", "P2PTCP", nioEmbedded]),
        tests(
            "Transports", "P2PWebSocket", core + ["P2PPipeline", "P2PHTTPHead", "P2PTCP", "P2PWebTLS", nioPosix, nioEmbedded, nioWebSocket]),
        tests("Transports", "P2PMemory", core),
        tests("Muxers", "P2PYamux", core + ["P2PMuxing", "P2PPipeline", nioEmbedded, "P2PTesting"]),
        tests("Security", "P2PCertificate", core + ["P2PVectors", crypto, cryptoExtras, asn1, x509]),
        tests(
            "Security", "P2PTLS",
            core + ["P2PPipeline", "P2PCertificate", nioEmbedded, nioSSL, crypto, asn1, x509]),
        tests(
            "Security", "P2PPrivateNetwork",
            core + ["P2PNegotiation", "P2PPipeline", "P2PNoise", "P2PYamux", "P2PMemory", crypto, nioEmbedded, nioPosix]),
        tests("Muxers", "P2PMplex", core + ["P2PMuxing", "P2PPipeline", nioEmbedded]),
        tests("Security", "P2PPlaintext", core + ["P2PPipeline", nioEmbedded]),
        tests("Security", "P2PNoise", core + ["P2PPipeline", "P2PVectors", crypto, nioEmbedded]),
    ]
)

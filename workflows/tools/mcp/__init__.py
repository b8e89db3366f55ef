"""The tools ``mcp.call`` and ``mcp.tools``: a client of the Model Context Protocol (modelcontextprotocol.io/specification)."""
